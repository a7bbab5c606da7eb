"""Loaders for training, validation and test, over whatever data sets it is given."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, DistributedSampler, Sampler

from video_uniformer.system.processes import leave_garbage_to_the_parent
from video_uniformer.system.signals import die_with_parent, obey_parent_alone
from video_uniformer.training.callbacks.bad_samples import Policy
from video_uniformer.training.epoch_sampler import EpochSampler
from video_uniformer.training.loop_state import position


class ClassData(Protocol):
    """A map-style data set with class names."""

    class_names: list[str]

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: Any) -> dict[str, torch.Tensor]:
        """One sample."""


class DataModule(LightningDataModule):
    """Build the data sets when a stage needs them, and deal them out to the devices.

    Training shuffles and drops an incomplete batch. Validation and test go through every sample; a
    few may be dealt out twice so that every process gets as many, and the task counts them once.

    Args:
        root: Folder of the data; relative paths start here.
        datasets: For each of "train", "val" and "test" (the final, multi-view test), a function
            (root=, class_names=, bad_samples=, decoder= unless that is None) -> data set.
        batch_size: Training samples per optimiser step, over all devices and over the batches whose
            gradients the trainer accumulates: a multiple of both together.
        eval_batch_size: Samples per device and step in validation and test.
        num_workers: Loader processes per device; None: as many as there are processors for each
            device of the machine, up to 8.
        decoder: Decoder of the videos; None for data sets without, as those of pictures.
        num_classes: Classes that the data must have, or None to count them.
        class_names: Names in the order of the labels, or a function (root=) -> names; None, or a
            function that gives None, takes the training data's.
        prepare: Makes or fetches the data in `root` before anything else, or None.
        bad_samples: What to do with samples that cannot be read; each data set gets the policy of
            its split. None raises at the first.
        collate: Makes a batch of a list of samples; None stacks them, as torch does.
        num_repeats: Copies of a training sample in a step, each augmented for itself, for as many
            fewer samples an epoch; see `EpochSampler`.

    Raises:
        ValueError: a folder is missing, a batch cannot be filled, classes disagree, or bad videos
            are to be substituted in validation or test.
    """

    def __init__(  # noqa: PLR0913 (each is a key of the data configs)
        self,
        *,
        root: str | Path,
        datasets: Mapping[str, Callable[..., ClassData]],
        batch_size: int,
        eval_batch_size: int = 8,
        num_workers: int | None = None,
        decoder: str | None = "auto",
        num_classes: int | None = None,
        class_names: Sequence[str] | Callable[..., Sequence[str] | None] | None = None,
        prepare: Callable[[Path], None] | None = None,
        bad_samples: Policy | None = None,
        collate: Callable[[list[Any]], Any] | None = None,
        num_repeats: int = 1,
    ) -> None:
        super().__init__()
        leave_garbage_to_the_parent()
        counts = {"batch_size": batch_size, "eval_batch_size": eval_batch_size}
        for name, value in {**counts, "num_repeats": num_repeats}.items():
            if type(value) is not int or value < 1:
                raise ValueError(f"data.{name} is {value!r}, expected at least 1")
        if num_workers is not None and (type(num_workers) is not int or num_workers < 0):
            raise ValueError(
                f"data.num_workers is {num_workers!r}, expected a whole number >= 0, or null"
            )
        self.root = Path(root)
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.num_workers, self.num_repeats = num_workers, num_repeats
        self.decoder, self.num_classes = decoder, num_classes
        self._class_names = class_names
        self._builders = dict(datasets)
        self.bad_samples = bad_samples
        self._policies = {split: bad_samples and bad_samples.for_split(split) for split in datasets}
        self._prepare = prepare
        self._collate = collate
        self._datasets: dict[str, ClassData] = {}
        self._start = 0, 0

    @property
    def class_names(self) -> list[str]:
        """Names in the order of the labels: the given ones, or the training data's."""
        self._check_root()
        names = self._class_names
        if callable(names):
            names = names(root=self.root)
        if names is None:
            names = self._build("train").class_names
        self._class_names = names = list(names)
        if self.num_classes is not None and len(names) != self.num_classes:
            raise ValueError(
                f"data.num_classes is {self.num_classes}, but there are {len(names)} class names "
                f"in {self.root} ({', '.join(names[:3])}, ...)"
            )
        return names

    def prepare_data(self) -> None:
        """Make or fetch the data, once per machine."""
        if self._prepare is not None:
            self._prepare(self.root)

    def dataset(self, split: str) -> ClassData:
        """The data set of "train", "val" or "test", built at its first use."""
        if split not in self._datasets:
            names = self.class_names  # of the training data, unless given
            if split not in self._datasets:
                self._datasets[split] = self._build(split, names)
        return self._datasets[split]

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled batches, which of all devices make up `batch_size` samples in each step."""
        dataset = self.dataset("train")
        world_size, rank = self._world()
        num_batches = self._num_accumulated()
        if type(num_batches) is not int or num_batches < 1:
            raise ValueError(
                f"trainer.accumulate_grad_batches is {num_batches!r}, expected at least 1 batch"
            )
        num_parts = world_size * num_batches
        accumulated = f" that accumulate {num_batches} batches" if num_batches > 1 else ""
        devices = f"{world_size} device(s){accumulated}"
        if self.batch_size % num_parts:
            raise ValueError(
                f"data.batch_size is {self.batch_size} for {devices}, expected a multiple of "
                f"{num_parts}: {max(self.batch_size // num_parts, 1) * num_parts}, for example"
            )
        if len(dataset) < self.batch_size:
            raise ValueError(
                f"data.batch_size is {self.batch_size} for {devices} and {len(dataset)} training "
                f"samples, expected at most {len(dataset) // num_parts * num_parts}"
            )
        per_batch = self.batch_size // num_parts
        epoch, batch = self._start
        sampler = EpochSampler(
            dataset,
            world_size=world_size,
            rank=rank,
            seed=_seed(),
            step_size=self.batch_size,
            num_repeats=self.num_repeats,
            start=(epoch, batch * per_batch),
        )
        return self._loader(dataset, sampler, per_batch, drop_last=True)

    def state_dict(self) -> dict[str, Any]:
        """Where the training stands, and what that rests on, for a checkpoint."""
        if self.trainer is None or "train" not in self._datasets:
            return {}
        return {"position": position(self.trainer), **self._settings()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Have the training go on at the position of a checkpoint.

        Raises:
            ValueError: the data, or how it is shared out, are others than before.
        """
        if not state_dict:
            return
        for name, value in self._settings().items():
            before = state_dict.get(name, value)  # earlier releases had other names
            if before != value:
                raise ValueError(
                    f"{name} is {_short(value, before)}, expected {_short(before, value)} as when "
                    "this training began; task.init=FILE starts a new one from its weights"
                )
        epoch, batch = state_dict["position"]
        self._start = epoch, batch

    def _settings(self) -> dict[str, Any]:
        """What the order of the samples, and the meaning of the outputs, rest on."""
        return {
            "data.batch_size": self.batch_size,
            "trainer.accumulate_grad_batches": self._num_accumulated(),
            "seed": _seed(),
            "the number of training samples": len(self.dataset("train")),
            "the list of class names": list(self.class_names),
        }

    def _num_accumulated(self) -> int:
        return 1 if self.trainer is None else self.trainer.accumulate_grad_batches

    def val_dataloader(self) -> DataLoader[Any]:
        """All validation samples in order."""
        return self._eval_loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """All test samples in order."""
        return self._eval_loader("test")

    def _eval_loader(self, split: str) -> DataLoader[Any]:
        dataset = self.dataset(split)
        world_size, rank = self._world()
        sampler: Sampler[Any] = DistributedSampler(
            dataset,  # type: ignore[arg-type]
            num_replicas=world_size,
            rank=rank,
            shuffle=False,
        )
        return self._loader(dataset, sampler, self.eval_batch_size, drop_last=False)

    def _loader(
        self, dataset: ClassData, sampler: Sampler[Any], batch_size: int, *, drop_last: bool
    ) -> DataLoader[Any]:
        num_workers = self.num_workers
        if num_workers is None:
            num_local = 1 if self.trainer is None else self.trainer.num_devices
            num_workers = max(1, min(8, _num_processors() // num_local))
        return DataLoader(
            dataset,  # type: ignore[arg-type]
            batch_size=batch_size,
            sampler=sampler,
            num_workers=num_workers,
            collate_fn=self._collate,
            worker_init_fn=_begin_worker,
            drop_last=drop_last,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=num_workers > 0,
        )

    def _build(self, split: str, class_names: list[str] | None = None) -> ClassData:
        decoder = {} if self.decoder is None else {"decoder": self.decoder}
        self._datasets[split] = self._builders[split](
            root=self.root,
            class_names=class_names,
            bad_samples=self._policies[split],
            **decoder,
        )
        return self._datasets[split]

    def _check_root(self) -> None:
        if not self.root.is_dir():
            raise ValueError(f"data.root is {str(self.root)!r}, expected an existing folder")

    def _world(self) -> tuple[int, int]:
        """Number of processes, and which of them this is."""
        if self.trainer is None:
            return 1, 0
        return self.trainer.world_size, self.trainer.global_rank


def _seed() -> int:
    """Seed of the run, from the variable that `seed_everything` leaves for this purpose."""
    return int(os.environ.get("PL_GLOBAL_SEED", "0"))


def _short(value: Any, other: Any) -> str:
    """A value, or where a list first differs from another."""
    if not isinstance(value, list):
        return repr(value)
    places = range(max(len(value), len(other)))
    first = next(i for i in places if value[i : i + 1] != other[i : i + 1])
    named = repr(value[first]) if first < len(value) else "at its end"
    return f"{named} (place {first} of {len(value)})"


def _begin_worker(worker: int) -> None:
    """Leave it to the training when to stop, and end when it ends."""
    parent = multiprocessing.parent_process()
    # Where a server starts the workers, it is the server that they would end with.
    if multiprocessing.get_start_method() == "fork" and parent is not None and parent.pid:
        die_with_parent(parent.pid)
    if parent is not None and parent.pid:
        obey_parent_alone(parent.pid)


def _num_processors() -> int:
    """Processors that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
