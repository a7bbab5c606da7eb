import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from video_uniformer.cli.prepare import main
from video_uniformer.data.annotations import read_list
from video_uniformer.data.decoding import open_video

Run = Callable[..., Any]


def test_lists_are_encoded_and_written_anew(run: Run, tmp_path: Path, videos: Path) -> None:
    lists = [str(videos / name) for name in ("train.csv", "val.csv")]
    ran = run(main, *lists, "new", "--gop", "4", "--workers", "2")
    assert ran.status == 0, ran.out + ran.err
    assert "encoded 7 of 7 files" in ran.out
    assert re.search(
        r"training would read \d+\.\d clips a second before and \d+\.\d after", ran.out
    )
    samples, _ = read_list("val.csv", root=tmp_path / "new")
    assert [sample.label for sample in samples] == [0, 1, 0]
    assert [len(open_video(sample.path)) for sample in samples] == [12] * 3


def test_bad_file_is_named_and_left_out_of_the_lists(
    run: Run, tmp_path: Path, videos: Path
) -> None:
    (videos / "val1.mp4").write_bytes(b"<html>404")
    ran = run(main, str(videos / "val.csv"), "new", "--workers", "1")
    assert ran.status == 1
    assert "left out 1 of 3 files, which the new lists do not have" in ran.out
    assert "val1.mp4: not a video: not a readable video" in ran.out
    assert (tmp_path / "new" / "val.csv").read_text() == "val0.mp4,0\nval2.mp4,0\n"
    assert not (tmp_path / "new" / "val1.mp4").exists()


def test_folder_of_pictures_itself_is_encoded(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (64, 48), (40 * number,) * 3).save(folder / f"{number}.png")
    ran = run(main, str(folder), "new", "--workers", "1")
    assert ran.status == 0, ran.out + ran.err
    assert (tmp_path / "new" / "walk.csv").read_text() == "walk.mp4\n"
    assert (tmp_path / "new" / "walk.mp4").is_file()


def test_originals_are_not_replaced_through_a_link(run: Run, tmp_path: Path, videos: Path) -> None:
    before = (videos / "val0.mp4").read_bytes()
    (tmp_path / "new").symlink_to(videos)
    ran = run(main, str(videos / "val.csv"), "new")
    assert ran.status == 2
    assert "error: target is new, which is inside" in ran.err
    assert (videos / "val0.mp4").read_bytes() == before


def test_lists_that_are_read_are_not_written_over(run: Run, videos: Path, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "val.csv").write_text("val0.mp4 0\n")
    ran = run(main, str(lists / "val.csv"), "lists", "--root", str(videos))
    assert ran.status == 2
    assert f"error: target is lists, which holds {lists / 'val.csv'}, expected" in ran.err
    assert (lists / "val.csv").read_text() == "val0.mp4 0\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv", "new"], "error: nowhere.csv: no such list or folder"),
        (["{videos}", "{videos}/new"], "error: target is"),
        (["{videos}/val.csv", "{videos}", "{videos}/new"], "/new, which is inside {videos}, whi"),
        (["{videos}", "new", "--short-side", "0"], "error: short_side is 0"),
        (["{videos}", "new", "--gop", "0"], "error: gop is 0"),
        (["{videos}", "new", "--crf", "52"], "error: crf is 52"),
        (["{videos}", "new", "--deadline", "0"], "error: deadline_seconds is 0"),
        (["{videos}"], "the following arguments are required"),
    ],
)
def test_what_cannot_be_done_exits_with_2(
    run: Run, videos: Path, arguments: list[str], message: str
) -> None:
    ran = run(main, *(argument.format(videos=videos) for argument in arguments))
    assert ran.status == 2
    assert message.format(videos=videos) in ran.err
