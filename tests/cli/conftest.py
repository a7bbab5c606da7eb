"""Fixtures of the command tests: tiny data, a checkpoint, and commands run in this process."""

import logging
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
import torch
from conversions import published
from hydra.core.global_hydra import GlobalHydra
from hydra.core.singleton import Singleton

from video_uniformer import ClipSpec, create_uniformer

# Six frames of 32 pixels, so that a step takes milliseconds.
TINY = (
    "model.variant=test",
    "clip.num_frames=4",
    "clip.stride=2",
    "clip.size=32",
    "clip.num_clips=2",
    "data.batch_size=2",
    "data.num_workers=0",
    "optim.schedule.warmup_epochs=0",
    "trainer.accelerator=cpu",
    "trainer.devices=1",
    "trainer.max_epochs=1",
)


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other make tiny networks slow on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def videos(tmp_path: Path, video_file: Callable[..., Path]) -> Path:
    """Four training and three validation videos: class 0 dark, class 1 bright; lists and names."""
    root = tmp_path / "videos"
    for split, count in (("train", 4), ("val", 3)):
        lines = []
        for index in range(count):
            name, label = f"{split}{index}.mp4", index % 2
            video_file(num_frames=12, grey=40 + 150 * label + 5 * index, name=f"videos/{name}")
            lines.append(f"{name} {label}\n")
        (root / f"{split}.csv").write_text("".join(lines))
    (root / "classes.txt").write_text("dark\nbright\n")
    return root


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint of an untrained network with two classes, as the training writes them."""
    torch.manual_seed(0)
    network = create_uniformer("test", num_classes=2)
    path = tmp_path / "untrained.ckpt"
    clip = asdict(ClipSpec(num_frames=4, stride=2, size=32, num_clips=2))
    facts = {"clip": clip, "class_names": ["dark", "bright"], "fusion": "logits"}
    state = {f"network.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": state, "classifier": {"network": network.config, **facts}}, path)
    return path


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    """A file of which nothing but its tensors is known."""
    path = tmp_path / "unknown.pth"
    torch.save(published(variant="test", num_classes=2), path)
    return path


@pytest.fixture
def damaged(video_file: Callable[..., Path]) -> Path:
    """Forty frames of which the stored pictures 15 to 17 are overwritten."""
    path = video_file(num_frames=40, gop=10, grey=90, name="videos/damaged.mp4")
    with av.open(str(path)) as container:
        packets = [
            (p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None
        ]
    content = bytearray(path.read_bytes())
    for start, size in packets[15:18]:
        content[start : start + size] = b"\xff" * size
    path.write_bytes(content)
    return path


class Ran(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Callable[..., Ran]]:
    """Run a command's `main` in this process, with arguments, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    kept = dict(os.environ), logging.root.handlers[:], logging.root.level
    random_state = random.getstate(), np.random.get_state(), torch.get_rng_state()

    def call(main: Callable[[], Any], *arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", [main.__module__, *arguments])
        status: Any = 0
        try:
            main()
        except SystemExit as exit:
            status = exit.code
        captured = capsys.readouterr()
        return Ran(0 if status is None else int(status), captured.out, captured.err)

    hydra_state = Singleton.get_state()
    yield call
    GlobalHydra.instance().clear()
    Singleton.set_state(hydra_state)
    os.environ.clear()
    os.environ.update(kept[0])
    for handler in logging.root.handlers:
        if handler not in kept[1]:
            handler.close()
    logging.root.handlers[:], logging.root.level = kept[1], kept[2]
    random.setstate(random_state[0])
    np.random.set_state(random_state[1])
    torch.set_rng_state(random_state[2])


@pytest.fixture
def tiny(videos: Path) -> Sequence[str]:
    """The arguments of a training that takes a second."""
    return ("data=videos", f"data.root={videos}", "data.class_names.source=classes.txt", *TINY)


@pytest.fixture
def console_script(tmp_path: Path) -> Path:
    """`video-uniformer` as an installer writes it, in a folder of its own."""
    path = tmp_path / "bin" / "video-uniformer"
    path.parent.mkdir()
    path.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "from video_uniformer.cli.main import main\n"
        'if __name__ == "__main__":\n'
        "    sys.exit(main())\n"
    )
    path.chmod(0o755)
    return path
