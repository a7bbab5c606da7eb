"""Jobs of a sweep (`-m`): each may fail alone, has a folder of its own, and an objective."""

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from video_uniformer.cli.errors import mendable, reason

if TYPE_CHECKING:
    import lightning

Task = Callable[[DictConfig], float | None]
# Reads the results of its jobs for one purpose: to end at the first that failed.
BASIC_SWEEPER = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


class JobFailed(CompactHydraException):
    """What a sweeper gets of a job that failed, which it may count, or end at.

    It holds one line and not the error itself, whose traceback would keep a network in memory.
    """


@dataclass(frozen=True)
class Sweep:
    """What the jobs of a sweep share, in whichever process each runs.

    Args:
        given: The command line, whose words tell no job from another.
        record: A folder that gets an empty file `NUMBER.failed` or `NUMBER.done` for each job; the
            other machines of a launcher lack it.
    """

    given: tuple[str, ...]
    record: Path

    def run(self, task: Task, config: DictConfig) -> float | None:
        """Run a job; if it fails, say at once which it is and why.

        Returns:
            What the task returns; None of a failed job where the sweeper would end at it.

        Raises:
            JobFailed: The job failed, and the sweeper knows what to do then.
        """
        hydra = HydraConfig.get()
        failure = None
        try:
            result = task(config)
            if result is None and hydra.sweeper._target_ != BASIC_SWEEPER:
                raise ValueError(
                    "the objective is None, expected a value of what callbacks.best monitors"
                )
        except Exception as error:
            failure = self._tell(hydra, error)
        is_noted = self.record.is_dir()
        if is_noted:
            (self.record / f"{hydra.job.num}.{'failed' if failure else 'done'}").touch()
        if failure is None:
            return result
        if is_noted and hydra.sweeper._target_ == BASIC_SWEEPER:
            return None
        raise JobFailed(failure)

    def _tell(self, hydra: DictConfig, error: Exception) -> str:
        line = mendable(error)
        overrides = [text for text in hydra.overrides.task if text not in self.given]
        told = " ".join(overrides or hydra.overrides.task)
        said = f"job {hydra.job.num} ({told}): {line or f'{type(error).__name__}: {reason(error)}'}"
        print(f"error: {said}", file=sys.stderr)
        if line is None:
            traceback.print_exception(error)
        return said

    def failed(self) -> str | None:
        """How many of the jobs failed, and which; None if none did."""
        numbers = sorted(int(file.stem) for file in self.record.glob("*.failed"))
        total = len(list(self.record.iterdir()))
        if not numbers:
            return None
        return f"{len(numbers)} of {total} jobs failed: {', '.join(map(str, numbers))}"


@contextmanager
def summed_up(given: Sequence[str]) -> Iterator[Sweep]:
    """A sweep that ends with one line and status 1 if any of its jobs failed.

    Args:
        given: The command line.
    """
    with TemporaryDirectory(prefix="sweep-") as folder:
        sweep = Sweep(tuple(given), Path(folder))
        gave_up = False
        try:
            yield sweep
        except SystemExit as exit:
            # Any other status is that of a stop, which leaves nothing to sum up.
            gave_up = exit.code == 1
            if not gave_up:
                raise
        if failed := sweep.failed():
            print(f"error: {failed}", file=sys.stderr)
        if failed or gave_up:
            raise SystemExit(1)


def is_job_of_sweep() -> bool:
    """Whether the job that runs in this process is one of a sweep."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def objective(trainer: "lightning.Trainer") -> float | None:
    """The best value of the metric by which checkpoints are kept; None if there is none.

    Args:
        trainer: After fitting.
    """
    scores = (
        getattr(callback, "best_model_score", None) for callback in trainer.checkpoint_callbacks
    )
    return next((float(score) for score in scores if score is not None), None)


def job_folder(*, _root_: DictConfig) -> str:
    """The name of a job's folder in that of its sweep: its number, unless another job has that.

    The same sweep started again in the same folder gives every job its own folder back. A study
    that goes on counts from 0 again; its new trials get folders of their own, such as `0_2`.

    Args:
        _root_: The job's config; OmegaConf hands it over by this name.
    """
    hydra = _root_.hydra
    number, overrides = hydra.job.num, list(hydra.overrides.task)
    names = (str(number) if n == 1 else f"{number}_{n}" for n in count(1))
    return next(name for name in names if _is_free(Path(hydra.sweep.dir, name), hydra, overrides))


def _is_free(folder: Path, hydra: DictConfig, overrides: list[str]) -> bool:
    """Whether a job with these overrides may write here: no other job has."""
    # Processes that Lightning starts write no record of their own: they read that of the first.
    record = folder / (hydra.output_subdir or ".hydra") / "overrides.yaml"
    if record.is_file():
        return list(OmegaConf.load(record)) == overrides
    return not (folder / "checkpoints").exists()


# With the module, as a launcher's processes import it on their own, before they name the folder.
OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
