"""Every listed video accounted for: counts, the budget, and what is written down."""

import csv
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning
import pytest
import torch
from hostile_sources import copy_packets
from torch import Tensor, nn
from torch.utils.data import DataLoader

from video_uniformer import ClipSpec, create_uniformer
from video_uniformer.data.annotations import read_list
from video_uniformer.data.decoding import Video, open_video
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.quarantine import Quarantine
from video_uniformer.data.video.dataset import VideoDataset
from video_uniformer.data.video.reader import VideoReader
from video_uniformer.data.video.sampling import eval_sampler as eval_sampler
from video_uniformer.data.video.sampling import train_sampler
from video_uniformer.data.video.train_transforms import train_transform
from video_uniformer.data.video.transforms import eval_transform
from video_uniformer.outcomes import SALVAGED, SKIPPED, SUBSTITUTED
from video_uniformer.training.callbacks.bad_samples import (
    BadSamples,
    gather_items,
    problems_of,
)
from video_uniformer.training.datamodule import DataModule
from video_uniformer.training.optim import adamw, warmup_cosine
from video_uniformer.training.tasks.classification import Classification

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)

Bad = Mapping[int, tuple[int, str]]


class Lists(lightning.LightningDataModule):
    """Lists of ten videos each, of which some are bad."""

    def __init__(self, policy: BadSamplePolicy | None, **bad: Bad) -> None:
        super().__init__()
        self.bad_samples = policy
        self.bad = bad

    def dataset(self, split: str) -> Any:
        return SimpleNamespace(
            samples=[SimpleNamespace(path=Path(f"{split}{index}.mp4")) for index in range(10)]
        )

    def _loader(self, split: str) -> DataLoader[Any]:
        bad = self.bad.get(split, {})
        items = [
            {
                "video_index": index,
                "status": bad.get(index, (0, ""))[0],
                "problem": bad.get(index, (0, ""))[1],
            }
            for index in range(10)
        ]
        return DataLoader(items, batch_size=3)  # type: ignore[arg-type]

    def train_dataloader(self) -> DataLoader[Any]:
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Any]:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        return self._loader("test")


class Task(lightning.LightningModule):
    """Keeps the places of the batches that it was trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[list[int]] = []

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        self.seen.append(batch["video_index"].tolist())
        return self.weight.sum()

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        pass

    test_step = validation_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def make_trainer(tmp_path: Path, **settings: Any) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        default_root_dir=tmp_path,
        callbacks=[BadSamples(tmp_path / "out" / "bad_samples.csv")],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        **{"max_epochs": 1, **settings},
    )


def listed(tmp_path: Path) -> list[list[str]]:
    with (tmp_path / "out" / "bad_samples.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["path", "split", "status", "reason", "times_seen"]
    return rows


ALL = BadSamplePolicy("skip", budget=1)


def test_bad_samples_are_listed_with_split_status_reason_and_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Lists(
        ALL,
        train={7: (SUBSTITUTED, "empty"), 2: (SALVAGED, "cut short")},
        val={0: (SKIPPED, "it hangs, alas")},
    )
    make_trainer(tmp_path, max_epochs=3).fit(Task(), data)
    assert listed(tmp_path) == [
        ["train2.mp4", "train", "salvaged", "cut short", "3"],
        ["train7.mp4", "train", "substituted", "empty", "3"],
        ["val0.mp4", "val", "skipped", "it hangs, alas", "3"],
    ]
    path = tmp_path / "out" / "bad_samples.csv"
    line = f"bad samples: 3 (1 salvaged, 1 skipped, 1 substituted), listed in {path}\n"
    assert capsys.readouterr().out == line


def test_run_without_bad_samples_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_trainer(tmp_path).test(Task(), Lists(ALL), verbose=False)
    assert listed(tmp_path) == []
    assert capsys.readouterr().out == "bad samples: none\n"


@pytest.mark.parametrize("policy", [None, BadSamplePolicy()])
def test_run_that_raises_at_the_first_counts_nothing(
    policy: BadSamplePolicy | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_trainer(tmp_path).fit(Task(), Lists(policy))
    assert not (tmp_path / "out").exists()
    assert capsys.readouterr().out == ""


def bad(*indices: int) -> Bad:
    return {index: (SKIPPED, f"reason {index}") for index in indices}


def test_training_ends_at_the_step_where_the_budget_is_passed(tmp_path: Path) -> None:
    task, policy = Task(), BadSamplePolicy("skip", budget=0.2)
    message = (
        r"3 of the 10 train samples are bad, more than the share 0\.2 that "
        r"data\.bad_samples\.budget allows \(train1\.mp4: reason 1; train2\.mp4: reason 2; "
        r"train6\.mp4: reason 6\); .*csv"
    )
    with pytest.raises(ValueError, match=message):
        make_trainer(tmp_path).fit(task, Lists(policy, train=bad(1, 2, 6)))
    assert task.seen == [[0, 1, 2], [3, 4, 5]]
    assert [row[0] for row in listed(tmp_path)] == ["train1.mp4", "train2.mp4", "train6.mp4"]


@pytest.mark.parametrize(("split", "run"), [("val", "validate"), ("test", "test")])
def test_evaluation_ends_with_an_error_where_the_budget_is_passed(
    split: str, run: str, tmp_path: Path
) -> None:
    data = Lists(BadSamplePolicy("skip", budget=0.3), **{split: bad(0, 1, 8, 9)})
    message = rf"4 of the 10 {split} samples are bad, .*{split}8\.mp4: reason 8; \.\.\.\)"
    with pytest.raises(ValueError, match=message):
        getattr(make_trainer(tmp_path), run)(Task(), data, verbose=False)
    assert len(listed(tmp_path)) == 4


def test_budget_that_is_just_kept_ends_nothing(tmp_path: Path) -> None:
    data = Lists(BadSamplePolicy("skip", budget=0.2), train=bad(1, 2), val=bad(8, 9))
    make_trainer(tmp_path, max_epochs=3).fit(Task(), data)
    assert len(listed(tmp_path)) == 4


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ({"video_index": torch.tensor([3])}, []),
        ({"video_index": torch.tensor([3]), "status": torch.tensor([0]), "problem": [""]}, []),
        (
            {
                "video_index": torch.tensor([3, 5]),
                "status": torch.tensor([0, 2]),
                "problem": ["", "why"],
            },
            [(5, SKIPPED, "why")],
        ),
    ],
)
def test_problems_of_a_batch_are_its_bad_samples(batch: Any, expected: list[Any]) -> None:
    assert problems_of(batch) == expected


def test_items_of_one_process_are_all_there_are() -> None:
    assert gather_items([1, 2]) == [1, 2]


CLIP = ClipSpec(num_frames=2, stride=1, size=32)


def hang_on_some(
    path: str | Path,
    decoder: str,
    *,
    salvage: bool,
    short_side: int | None = None,
    num_frames: int | None = None,
) -> Video:
    """As if the decoder never came back, holding the interpreter, from one of the files."""
    while Path(path).name == "2.mp4":
        sum(range(10**9))
    return open_video(path, decoder, salvage=salvage, short_side=short_side)


@pytest.fixture
def root(tmp_path: Path, video_file: Callable[..., Path]) -> Path:
    """Eight videos: 2 hangs, 5 is empty, 6 is absent."""
    for index in range(8):
        video_file(num_frames=8, grey=20 + 180 * (index % 2), name=f"{index}.mp4")
    (tmp_path / "5.mp4").write_bytes(b"")
    (tmp_path / "6.mp4").unlink()
    for name in ("train", "val"):
        lines = [f"{index}.mp4 {index % 2}\n" for index in range(8)]
        (tmp_path / f"{name}.csv").write_text("".join(lines))
    return tmp_path


def build(
    split: str, *, bad_samples: BadSamplePolicy, root: Path, decoder: str, class_names: Any
) -> VideoDataset:
    is_train = split == "train"
    dataset = VideoDataset(
        partial(read_list, f"{split}.csv"),
        root=root,
        sampler=train_sampler(CLIP) if is_train else eval_sampler(CLIP),
        transform=train_transform(CLIP) if is_train else eval_transform(CLIP),
        class_names=class_names,
        bad_samples=bad_samples,
    )
    dataset.reader = VideoReader(bad_samples, decoder, opener=hang_on_some)
    return dataset


def make_data(root: Path, policy: BadSamplePolicy, **settings: Any) -> DataModule:
    return DataModule(
        root=root,
        datasets={split: partial(build, split) for split in ("train", "val")},
        bad_samples=policy,
        **{"batch_size": 4, "eval_batch_size": 3, "num_workers": 0, **settings},
    )


def make_task() -> Classification:
    torch.manual_seed(0)
    return Classification(
        create_uniformer("test", num_classes=2),
        optimizer=partial(adamw, lr_per_32_videos=1e-2, batch_size=4),
        schedule=partial(warmup_cosine, warmup_epochs=0),
        input=CLIP,
    )


def metrics(trainer: lightning.Trainer, names: Iterable[str]) -> dict[str, float]:
    return {name: float(trainer.callback_metrics[f"val/{name}"]) for name in names}


@pytest.mark.slow
@pytest.mark.parametrize(("in_training", "num_workers"), [(None, 2), ("substitute", 0)])
def test_training_over_cuts_and_a_hanging_video_goes_on_and_sets_it_aside(
    in_training: str | None, num_workers: int, root: Path, video_file: Callable[..., Path]
) -> None:
    # Stream-copied, with 138 and 175 hidden frames, from which decord does not return.
    for gop, hidden, name in ((150, 138, "3.mp4"), (250, 175, "4.mp4")):
        source = video_file(num_frames=300, gop=gop, name="whole.mp4")
        copy_packets(source, root / name, first=0, zero=hidden)
    policy = BadSamplePolicy(
        "skip",
        in_training=in_training,
        budget=0.5,
        quarantine=root / "list.jsonl",
        deadline_seconds=15,  # the others must be read in it, on a busy machine too
    )
    trainer = make_trainer(root, max_epochs=2)
    trainer.fit(make_task(), make_data(root, policy, num_workers=num_workers))
    assert trainer.global_step == 4
    assert metrics(trainer, ["evaluated", "listed"]) == {"evaluated": 5, "listed": 8}
    quarantine = Quarantine(root / "list.jsonl")
    assert quarantine.reason_for(root / "2.mp4") == "no answer within 15 s while opening it"
    assert quarantine.reason_for(root / "5.mp4") == "the file is empty, expected a video"
    assert len(quarantine) == 2
    rows = [row for row in listed(root) if row[1] == "val"]
    assert [Path(row[0]).name for row in rows] == ["2.mp4", "5.mp4", "6.mp4"]


@pytest.mark.parametrize("batch_size", range(1, 9))
def test_metrics_are_those_of_the_videos_that_can_be_read(batch_size: int, root: Path) -> None:
    lines = [f"{index}.mp4 {index % 2}\n" for index in range(8)]
    results = []
    for kept, name in ((range(8), "all"), ((0, 1, 3, 4, 7), "good")):
        (root / "val.csv").write_text("".join(lines[index] for index in kept))
        policy = BadSamplePolicy("skip", budget=1, quarantine=root / f"{name}.jsonl")
        # The one that hangs is known from an earlier run.
        Quarantine(root / f"{name}.jsonl").add(root / "2.mp4", "it hangs")
        trainer = make_trainer(root)
        data = make_data(root, policy, eval_batch_size=batch_size)
        result = dict(trainer.validate(make_task(), data, verbose=False)[0])
        assert (result.pop("val/evaluated"), result.pop("val/listed")) == (5, len(kept))
        results.append(result)
    # Batches of other sizes are summed in another order.
    assert results[0] == pytest.approx(results[1], rel=1e-5)
