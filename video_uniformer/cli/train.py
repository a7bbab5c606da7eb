"""`video-uniformer train`: train a video network from a Hydra config."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from video_uniformer.cli.hydra_runs import run_with_config
from video_uniformer.cli.sweeps import objective
from video_uniformer.cli.warning_filters import silence_libraries
from video_uniformer.description import said_in

if TYPE_CHECKING:
    from torch import nn


def train(config: DictConfig) -> float | None:
    """Build everything that the config names, fit, and give a sweeper its objective.

    Args:
        config: The composed config; `output_dir` is where checkpoints, logs and results go.
    """
    # Late, as help and misspelt overrides need none of it.
    import lightning

    from video_uniformer.weights.reading import read_weights

    lightning.seed_everything(config.seed, workers=True, verbose=False)
    datamodule = instantiate(config.data, _convert_="all")
    datamodule.prepare_data()
    config.data.num_classes = len(datamodule.class_names)
    if config.ckpt_path is not None:
        if said_in(read_weights(config.ckpt_path)) is None:
            raise ValueError(
                f"ckpt_path is {config.ckpt_path}, expected a checkpoint of a training; "
                "task.init=FILE starts from weights alone"
            )
        config.task.init = None  # all weights come from the checkpoint
    task = instantiate(config.task, _convert_="all")
    trainer = instantiate(
        config.trainer,
        callbacks=_instantiate_all(config.callbacks),
        logger=_instantiate_all(config.logger),
        _convert_="all",
    )
    if trainer.is_global_zero:
        print(_describe(config, task.network))
    trainer.fit(task, datamodule, ckpt_path=config.ckpt_path, weights_only=True)
    if trainer.is_global_zero:
        for checkpoint in trainer.checkpoint_callbacks:
            if path := getattr(checkpoint, "best_model_path", ""):
                print(f"wrote {path}")
    return objective(trainer)


def _instantiate_all(group: DictConfig) -> list[Any]:
    """The objects of a group of named nodes; one set to null on the command line is left out."""
    return [item for item in instantiate(group, _convert_="all").values() if item is not None]


def _describe(config: DictConfig, network: "nn.Module") -> str:
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    clip = config.clip
    frames = (
        f"{clip.num_frames} frames, stride {clip.stride}"
        if clip.stride
        else (f"{clip.num_frames} segments")
    )
    return (
        f"UniFormer {config.model.variant}: {millions:.2f} M parameters, {config.data.num_classes} "
        f"classes, {frames}, {clip.size} x {clip.size} pixels; results in {config.output_dir}"
    )


def _run(config: DictConfig) -> float | None:
    silence_libraries()
    config.output_dir = HydraConfig.get().runtime.output_dir
    return train(config)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    run_with_config("train", _run, arguments)
