"""Which checkpoint `train` goes on from: the one that is given, or that of an earlier run."""

from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

if TYPE_CHECKING:
    from video_uniformer.training.resuming import Saved

_CHOICES = ("auto", "never")


def choose_checkpoint(config: DictConfig) -> "Saved | None":
    """The checkpoint to go on from; None to start anew, or from an address that is given.

    That of an earlier run in the same folder comes first, as a command that is given again, by a
    person or a scheduler, is to go on where it was.

    Args:
        config: The composed config; its `resume`, `ckpt_path` and `output_dir`.

    Raises:
        ValueError: a checkpoint that cannot be resumed, or a folder that holds one where the
            training is to start anew.
    """
    from lightning.pytorch.utilities import rank_zero_only

    from video_uniformer.training.resuming import find_checkpoint, read_saved

    if config.resume not in _CHOICES:
        raise ValueError(
            f"resume is {config.resume!r}, expected auto or never; ckpt_path=FILE resumes from a "
            "file"
        )
    if "://" in str(config.ckpt_path):
        return None  # Lightning reads from there
    given = None if config.ckpt_path is None else Path(config.ckpt_path)
    if given is not None and _is_own(given, config):
        return read_saved(given)
    found = find_checkpoint(_folder(config))
    if found.saved is None and found.damaged:
        path, damage = next(iter(found.damaged.items()))
        raise ValueError(
            f"output_dir is {config.output_dir!r}, where no checkpoint can be read ({path} is "
            f"{damage}), expected one that can, or another folder"
        )
    for path, damage in found.damaged.items():
        rank_zero_only(print)(f"{path} is {damage}: left aside")
    if found.saved is None:
        return None if given is None else read_saved(given)
    if config.resume == "never":
        raise ValueError(
            f"output_dir is {config.output_dir!r}, which holds a training of {found.saved.step} "
            "steps, expected another folder, or resume=auto to go on"
        )
    return found.saved


def is_finished(saved: "Saved", config: DictConfig) -> bool:
    """Whether nothing is left to train; either is said."""
    from lightning.pytorch.utilities import rank_zero_only

    by_epochs = _is_reached(config.trainer.max_epochs, saved.epochs_done)
    by_steps = _is_reached(config.trainer.max_steps, saved.step) and not saved.awaits_validation
    limits = config.trainer.max_epochs, config.trainer.max_steps
    if not by_epochs and not by_steps and saved.stopped_within != limits:
        rank_zero_only(print)(f"going on from {saved.path}, step {saved.step}")
        return False
    limit = "trainer.max_steps" if by_steps and not by_epochs else "trainer.max_epochs"
    score = "" if saved.best_score is None else f", best score {saved.best_score:.4f}"
    rank_zero_only(print)(
        f"{saved.path} is a finished training ({saved.epochs_done} epochs, {saved.step} steps"
        f"{score}): nothing to do; a larger {limit} goes on, another output_dir starts anew"
    )
    return True


def continue_logs(config: DictConfig, saved: "Saved") -> None:
    """Have the loggers that can go on with the files of the earlier run do so.

    A training that goes on from another folder's checkpoint has none of them.
    """
    if not _is_own(saved.path, config):
        return
    for logger in config.logger.values():
        if logger is not None and "purge_step" in logger:
            logger.purge_step = saved.step
        if logger is not None and "keep_rows" in logger:
            logger.keep_rows = saved.num_logged


def _is_reached(limit: object, number: int) -> bool:
    """Whether a limit of the trainer is reached, if it is one; -1 and null are none."""
    return isinstance(limit, int) and 0 <= limit <= number


def _is_own(path: Path, config: DictConfig) -> bool:
    return path.resolve().parent == _folder(config).resolve()


def _folder(config: DictConfig) -> Path:
    return Path(config.output_dir) / "checkpoints"
