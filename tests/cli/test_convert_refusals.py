"""`video-uniformer convert`: what it refuses, in one line."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conversions import OURS, published, sparse
from torch import Tensor

from video_uniformer.cli.convert import main

Run = Callable[..., Any]


def refused(ran: Any, message: str) -> None:
    assert (ran.status, ran.out) == (1, "")
    [line] = ran.err.splitlines()
    assert re.search(message, line), line


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        {"variant": "small", "ndim": 2, "token_labels": True},
        {"variant": "base", "ndim": 2, "token_labels": True},
        {"variant": "small_plus", "ndim": 2},
    ],
    ids=("small tl", "base tl", "small_plus"),
)
def test_head_dim_is_asked_for_where_two_were_published(
    run: Run, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    torch.save(sparse(**arguments), tmp_path / "a.pth")
    refused(
        run(main, "a.pth", OURS),
        "a.pth does not say its head_dim, and networks like it were published with 32 and 64: give "
        "--head-dim, or --release",
    )
    assert not (tmp_path / OURS).exists()


@pytest.mark.parametrize(
    ("target", "options", "there"),
    [
        (OURS, (), OURS),
        ("a.pth", ("--to", "published"), "a.pth"),
        ("folder", ("--hub",), "folder/README.md"),
    ],
)
def test_nothing_is_replaced_without_force(
    run: Run, checkpoint: Path, tmp_path: Path, target: str, options: tuple[str, ...], there: str
) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")
    refused(run(main, str(checkpoint), target, *options), f"{there} exists; --force replaces it")
    assert (tmp_path / there).read_text() == "mine"
    assert run(main, str(checkpoint), target, *options, "--force").status == 0
    assert (tmp_path / there).read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("a.pth", "", "target is 'a.pth', expected a name ending in .safetensors, or --hub for a"),
        ("a.bin", "--to published", "ending in .pth or .pyth or .pt or .safetensors"),
        ("a.pth", "--to published --hub", "--hub is given with --to published"),
        ("a.pth", "--to published --head-dim 8", "--head-dim is given with --to published, whose"),
        ("a.pth", "--to published --classes ucf101", "--classes is given with --to published"),
        ("a.pth", "--to published --bgr", "--bgr is given with --to published"),
        (OURS, "--release k400_s_16x4", "--release is given, but .* says itself what it is"),
        (OURS, "--head-dim 8", "--head-dim is given, but that of .* is known"),
        (OURS, "--classes ucf101", "ucf101 with 101 names, expected 2, the number of outputs of"),
        (OURS, "--classes swapped.txt", "swapped.txt, which has the classes of .* in another ord"),
        (OURS, "--classes none.txt", "none.txt.*shipped lists: "),
        (OURS, "--stride four", "--stride is 'four', expected a number of frames, or 'segments'"),
        (OURS, "--frames 0", "num_frames is 0"),
    ],
)
def test_option_that_contradicts_is_one_line(
    run: Run, checkpoint: Path, tmp_path: Path, target: str, options: str, message: str
) -> None:
    (tmp_path / "swapped.txt").write_text("bright\ndark\n")
    refused(run(main, str(checkpoint), target, *options.split()), message)
    assert not (tmp_path / target).exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--release k400_s_16x5", r"--release is 'k400_s_16x5', .* did you mean 'k400_s_16x[48]'"),
        ("--release k400_s_16x4", "--release is 'k400_s_16x4', but .*unknown.pth is a test"),
        ("--frames 4 --size 32", "--stride is not given, and the file does not say it"),
        ("--clips 4", "--frames is not given, and the file does not say it"),
        ("--head-dim 7", "head_dim|7"),
    ],
)
def test_option_that_does_not_fit_an_unknown_file_is_one_line(
    run: Run, unknown: Path, tmp_path: Path, options: str, message: str
) -> None:
    refused(run(main, str(unknown), OURS, *options.split()), message)
    assert not (tmp_path / OURS).exists()


def test_clip_of_an_image_network_is_refused(run: Run, tmp_path: Path) -> None:
    torch.save(published(variant="test", ndim=2, num_classes=2), tmp_path / "a.pth")
    ran = run(main, "a.pth", OURS, "--size", "32", "--frames", "4")
    refused(ran, "--frames is given, but a.pth is a network for images")


def test_other_tensors_are_refused(run: Run, tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.ones(3, 3)}, tmp_path / "a.pth")
    refused(run(main, "a.pth", OURS), "a.pth holds no UniFormer that this package knows")


@pytest.mark.slow
@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_damaged_network_is_refused(run: Run, tmp_path: Path, change: str) -> None:
    state = published(variant="test", num_classes=2)
    if change == "missing":
        del state["norm.weight"]
    else:
        state["norm.weight" if change == "shape" else "extra.weight"] = torch.ones(3)
    torch.save(state, tmp_path / "a.pth")
    key = "extra.weight" if change == "unexpected" else "norm.weight"
    refused(
        run(main, "a.pth", OURS),
        f"a.pth does not fit UniFormer test: '{key}' is missing, unexpected or of another shape",
    )


@pytest.mark.slow
def test_release_under_a_wrong_name_is_refused(run: Run, tmp_path: Path) -> None:
    torch.save(sparse(variant="small", layer_scale=0.1), tmp_path / "a.pth")
    refused(run(main, "a.pth", OURS, "--release", "k400_s_16x4"), "a.pth does not fit UniFormer sm")


def test_missing_source_is_named(run: Run) -> None:
    refused(run(main, "k400_s_16x5", OURS), "'k400_s_16x5' is neither a file, nor a released .*did")


def test_what_does_not_read_back_is_an_error(
    run: Run, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = torch.save

    def damage(content: dict[str, Tensor], path: Path) -> None:
        save({**content, "norm.weight": -content["norm.weight"]}, path)

    monkeypatch.setattr(torch, "save", damage)
    ran = run(main, str(checkpoint), "a.pth", "--to", "published")
    refused(ran, "a.pth did not read back as it was written, and is deleted")
    assert not (tmp_path / "a.pth").exists()
