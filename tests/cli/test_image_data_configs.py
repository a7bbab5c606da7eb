"""The data configs of pictures build their data sets from what their first line says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from drawn_shards import jpeg, pictures, write_shard
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

CONF = Path(__file__).parents[2] / "conf"
SYNSETS = ("n01440764", "n15075141")  # the first and the last


def draw_folders(root: Path) -> None:
    for name in ("train/dog/a.jpg", "train/cat/b.jpg", "test/dog/c.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(jpeg(1))


def draw_imagenet(root: Path) -> None:
    for name in (*(f"train/{synset}/a.JPEG" for synset in SYNSETS), "val/x.JPEG"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(jpeg(1))
    (root / "val.txt").write_text("x.JPEG 999\n")


def draw_shards(root: Path) -> None:
    write_shard(root / "train-0.tar", pictures(0, 1))
    write_shard(root / "val-0.tar", pictures(2))


def draw_manifest(root: Path) -> None:
    draw_folders(root)
    rows = ("train/dog/a.jpg,dog,train", "train/cat/b.jpg,cat,train", "test/dog/c.jpg,dog,val")
    text = "".join(f"{row},ok,1\n" for row in rows)
    (root / "manifest.csv").write_text(f"path,label,split,status,frames\n{text}")


@pytest.mark.parametrize(
    ("name", "draw", "overrides", "labels", "num_classes"),
    [
        ("image_folder", draw_folders, [], ([0, 1], [1]), 2),
        ("image_manifest", draw_manifest, [], ([1, 0], [1]), 2),
        ("imagenet", draw_imagenet, [], ([0, 999], [999]), 1000),
        (
            "imagenet_shards",
            draw_shards,
            [
                "data.datasets.train.annotations.path='train-{0..0}.tar'",
                "data.datasets.val.annotations.path='val-{0..0}.tar'",
            ],
            ([0, 1], [2]),
            1000,
        ),
    ],
)
def test_config_builds_its_data(
    tmp_path: Path,
    name: str,
    draw: Callable[[Path], None],
    overrides: list[str],
    labels: tuple[list[int], list[int]],
    num_classes: int,
) -> None:
    if name == "imagenet_shards":
        pytest.importorskip("webdataset")
    draw(tmp_path)
    with initialize_config_dir(str(CONF), version_base=None):
        chosen = ["model=uniformer_image", "task=image_classification", f"data={name}"]
        config = compose("config", [*chosen, f"data.root={tmp_path}", *overrides])
    data = instantiate(config.data, _convert_="all")
    for split, expected in zip(("train", "val"), labels, strict=True):
        samples = data.dataset(split).samples
        assert [sample.label for sample in samples] == expected
        assert data.dataset(split)[0]["image"].shape[0] == 3
    assert len(data.class_names) == num_classes
