"""`video-uniformer train`: train a network of videos or images from a Hydra config."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from video_uniformer.cli.hydra_runs import run_with_config
from video_uniformer.cli.input_kinds import (
    NODES,
    PERSONS,
    SCENES,
    VIDEOS,
    check_kinds,
    kind_of_model,
    kind_of_part,
)
from video_uniformer.cli.interruption import (
    STOPPED_BY_HAND,
    end_interrupted,
    end_with_launcher,
)
from video_uniformer.cli.resumption import choose_checkpoint, continue_logs, is_finished
from video_uniformer.cli.sweeps import objective
from video_uniformer.cli.warning_filters import silence_libraries

if TYPE_CHECKING:
    from lightning import Trainer
    from torch import nn


def train(config: DictConfig) -> float | None:
    """Build everything that the config names, fit, and give a sweeper its objective.

    Args:
        config: The composed config; `output_dir` is where checkpoints, logs and results go.
    """
    # Late, as help and misspelt overrides need none of it.
    import lightning

    lightning.seed_everything(config.seed, workers=True, verbose=False)
    check_kinds(config, kind_of_model(config), "model")
    saved = choose_checkpoint(config)
    if saved is not None:
        if is_finished(saved, config):
            return saved.best_score
        config.ckpt_path = str(saved.path)
        continue_logs(config, saved)
    if config.ckpt_path is not None:
        config.task.init = None  # all weights come from the checkpoint
    datamodule = instantiate(config.data, _convert_="all")
    datamodule.prepare_data()
    config.data.num_classes = len(datamodule.class_names)
    task = instantiate(config.task, _convert_="all")
    trainer = _build_trainer(config)
    _check_names(trainer)
    if trainer.is_global_zero:
        print(_describe(config, task.network))
    _fit(trainer, task, datamodule, config.ckpt_path)
    if trainer.is_global_zero:
        for checkpoint in trainer.checkpoint_callbacks:
            path = getattr(checkpoint, "best_model_path", "")
            if "://" in path or Path(path).is_file():
                print(f"wrote {path}")
    return objective(trainer)


def _build_trainer(config: DictConfig) -> "Trainer":
    from lightning.pytorch.callbacks import LearningRateMonitor

    callbacks, loggers = map(_instantiate_all, (config.callbacks, config.logger))
    if not loggers:  # Lightning's monitor of what is logged would refuse to be there
        callbacks = [c for c in callbacks if not isinstance(c, LearningRateMonitor)]
    return instantiate(config.trainer, callbacks=callbacks, logger=loggers, _convert_="all")


def _fit(trainer: "Trainer", task: Any, datamodule: Any, ckpt_path: str | None) -> None:
    from video_uniformer.training.callbacks.interruptions import Interrupted

    try:
        trainer.fit(task, datamodule, ckpt_path=ckpt_path, weights_only=True)
    except Interrupted as interrupted:
        end_interrupted(interrupted, trainer)
    except SystemExit as exit:
        if isinstance(exit.__context__, KeyboardInterrupt):  # Lightning's answer to it
            print("stopped at once, and not saved", file=sys.stderr)
            raise SystemExit(STOPPED_BY_HAND) from None
        raise


def _check_names(trainer: "Trainer") -> None:
    """Refuse several best checkpoints under one name, of which the last would be left."""
    from lightning.pytorch.callbacks import ModelCheckpoint

    for callback in trainer.checkpoint_callbacks:
        if not isinstance(callback, ModelCheckpoint) or callback.save_top_k in (0, 1):
            continue
        if "{" not in str(callback.filename):
            raise ValueError(
                f"filename is {callback.filename!r} where save_top_k is {callback.save_top_k}, "
                f"expected a name for each, such as '{callback.filename}-{{epoch}}'"
            )


def _instantiate_all(group: DictConfig) -> list[Any]:
    """The objects of a group of named nodes; one set to null on the command line is left out."""
    return [item for item in instantiate(group, _convert_="all").values() if item is not None]


def _describe(config: DictConfig, network: "nn.Module") -> str:
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    kind = kind_of_part(config, "task") or VIDEOS
    spec = config[NODES[kind]]
    names = "joints" if kind == PERSONS else "classes"
    return (
        f"UniFormer {config.model.variant}: {millions:.2f} M parameters, {config.data.num_classes} "
        f"{names}, {_frames(spec) if kind == VIDEOS else ''}{_size(kind, spec)} pixels; results in "
        f"{config.output_dir}"
    )


def _size(kind: str, spec: DictConfig) -> str:
    if kind == PERSONS:
        return f"{spec.height} x {spec.width}"
    size = spec.crop_size if kind == SCENES else spec.size
    return f"{size} x {size}"


def _frames(clip: DictConfig) -> str:
    if clip.stride:
        return f"{clip.num_frames} frames, stride {clip.stride}, "
    return f"{clip.num_frames} segments, "


def _run(config: DictConfig) -> float | None:
    end_with_launcher()
    silence_libraries()
    config.output_dir = HydraConfig.get().runtime.output_dir
    return train(config)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    run_with_config("train", _run, arguments)
