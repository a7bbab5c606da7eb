import json
from collections.abc import Callable
from typing import Any

import pytest

from video_uniformer.cli.zoo import main
from video_uniformer.weights.zoo import RELEASES

Run = Callable[..., Any]


def listed(run: Run, *arguments: str) -> list[str]:
    """The names that the command lists."""
    ran = run(main, *arguments, "--json")
    assert ran.status == 0
    return [entry["name"] for entry in json.loads(ran.out)]


def test_table_has_one_line_of_at_most_120_characters_for_every_release(run: Run) -> None:
    ran = run(main)
    lines = ran.out.splitlines()
    assert ran.status == 0
    assert max(map(len, lines)) <= 120
    assert [line.split()[0] for line in lines[2 : 2 + len(RELEASES)]] == list(RELEASES)


def test_row_says_what_a_person_chooses_by(run: Run) -> None:
    line = run(main, "k400_s_16x4").out.splitlines()[2]
    expected = "k400_s_16x4 k400 16x1x4 4 224 80.8 21.4M 41.76 rgb uniformer_small_k400_16x4 drive"
    assert line.split() == expected.split()


def test_row_of_a_dense_network_has_no_views(run: Run) -> None:
    line = run(main, "coco_b_pose_384x288").out.splitlines()[2]
    facts = "coco 384 76.7 53.5M 22.11 rgb ~top_down_384x288_global_base drive"
    assert line.split() == ["coco_b_pose_384x288", *facts.split()]


def test_inferred_name_segments_and_order_are_marked(run: Run) -> None:
    words = run(main, "ssv2_b_16_from_k400").out.splitlines()[2].split()
    assert words[3] == "seg"
    assert words[8:] == ["bgr", "~uniformer_base_sthv2_16_prek400", "drive"]


def test_narrow_terminal_cuts_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert "uniformer_small_plus_dim64_tl_224" in run(main).out


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["k400_s_16x4"], ["k400_s_16x4"]),
        (["UCF101"], ["ucf101_s_16x4_from_k400"]),
        (["16x8", "base"], ["k400_b_16x8", "k600_b_16x8"]),
        (["--dataset", "k400", "--variant", "s"], ["k400_s_8x8", "k400_s_16x4", "k400_s_16x8"]),
        (["--task", "image", "--variant", "large"], ["in1k_l_ls_tl_224", "in1k_l_ls_tl_384"]),
        (["--variant", "s_plus", "384"], ["in1k_s_plus_tl_384"]),
        (["--task", "video", "--variant", "xs"], ["k400_xs_32_192"]),
        (["semantic_fpn", "--variant", "b"], ["ade20k_b_fpn_h14", "ade20k_b_fpn"]),
        (["--task", "segmentation", "upernet"], ["ade20k_s_upernet", "ade20k_b_upernet"]),
        (["--task", "pose", "256x192"], ["coco_s_pose_256x192", "coco_b_pose_256x192"]),
        (["hub", "light"], ["in1k_xxs_160", "k400_xxs_16_160"]),
    ],
)
def test_filter_keeps_rows_that_match_all_of_it(
    run: Run, arguments: list[str], names: list[str]
) -> None:
    assert listed(run, *arguments) == names


def test_json_holds_every_fact(run: Run) -> None:
    (entry,) = json.loads(run(main, "ssv1_s_16_from_k600", "--json").out)
    release = RELEASES["ssv1_s_16_from_k600"]
    url = "https://drive.google.com/file/d/1-YbYGjM15MDtQnrmCeZ9H2ybNdYTFkgO"
    assert entry == {**release._asdict(), "results": [], "ndim": 3, "drive_url": url}


def test_json_holds_all_published_tests_of_a_file(run: Run) -> None:
    (entry,) = json.loads(run(main, "ade20k_s_fpn", "--json").out)
    assert (entry["metric"], entry["figure"], entry["ndim"]) == ("mIoU", 46.6, 2)
    tests = [(r["attention"], r["window_size"], r["figure"]) for r in entry["results"]]
    assert tests == [("window", 32, 45.6), ("hybrid", 32, 46.2)]


def test_filter_without_a_match_fails_in_one_line(run: Run) -> None:
    ran = run(main, "k400", "gigantic", "--variant", "b")
    assert ran.status == 1
    assert ran.out == ""
    assert ran.err == (
        "error: no released checkpoint matches 'k400 gigantic --variant base'; without a filter, "
        "all 73 are listed\n"
    )


def test_unknown_data_set_is_refused_with_the_known_ones(run: Run) -> None:
    ran = run(main, "--dataset", "kinetics")
    assert ran.status == 2
    assert "choose from" in ran.err
    assert "hmdb51" in ran.err
