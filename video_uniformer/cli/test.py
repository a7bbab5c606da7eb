"""`video-uniformer test`: evaluate a checkpoint on pictures, or several views of videos."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from video_uniformer.cli.hydra_runs import run_with_config
from video_uniformer.cli.input_kinds import (
    NODES,
    PERSONS,
    SCENES,
    VIDEOS,
    check_kinds,
    kind_of_network,
    kind_of_part,
)
from video_uniformer.cli.warning_filters import silence_libraries

if TYPE_CHECKING:
    from video_uniformer.weights.reading import Checkpoint


def test(config: DictConfig, overridden: set[str]) -> dict[str, float]:
    """Evaluate `config.ckpt_path` and write the report into `config.output_dir`.

    Args:
        config: The composed config.
        overridden: Keys given on the command line, which win over what the checkpoint says.
    """
    if config.ckpt_path is None:
        raise ValueError("ckpt_path is not given, expected a checkpoint to test: ckpt_path=FILE")
    # Late, as help and misspelt overrides need none of it.
    from video_uniformer.training.callbacks.bad_samples import BadSamples
    from video_uniformer.weights.reading import open_checkpoint

    checkpoint = open_checkpoint(config.ckpt_path)
    kind = kind_of_network(checkpoint.description.network)
    check_kinds(config, kind, str(config.ckpt_path))
    describe(config, checkpoint, overridden)
    datamodule = instantiate(config.data, _convert_="all")
    datamodule.prepare_data()
    config.data.num_classes = len(datamodule.class_names)
    config.task.load_weights.reset_head = False
    task = instantiate(config.task, _convert_="all")
    if task.network.num_classes != config.data.num_classes:
        raise ValueError(
            f"{config.ckpt_path} has {task.network.num_classes} classes, expected the "
            f"{config.data.num_classes} of the data"
        )
    load_weights = instantiate(config.task.load_weights)
    report = load_weights(task.network, checkpoint, class_names=datamodule.class_names)
    if report.reordered:
        print(f"{config.ckpt_path}: {report}")
    callbacks = [BadSamples(Path(config.output_dir) / "bad_samples.csv")]
    trainer = instantiate(config.trainer, logger=False, callbacks=callbacks, _convert_="all")
    [metrics] = trainer.test(task, datamodule, verbose=False)
    if trainer.is_global_zero:
        files = _report(config, task.tables["test"], datamodule)
        _show(metrics, config, files)
    return metrics


def _report(config: DictConfig, table: Any, datamodule: Any) -> list[Path]:
    """Write what belongs to the task."""
    folder, samples = Path(config.output_dir), datamodule.dataset("test").samples
    paths, names = [sample.path for sample in samples], datamodule.class_names
    kind = kind_of_part(config, "task")
    if kind == PERSONS:
        from video_uniformer.reports.pose_report import write_pose_report

        return write_pose_report(folder, table, paths=paths)
    if kind == SCENES:
        from video_uniformer.reports.scene_report import write_scene_report

        return write_scene_report(folder, table, paths=paths, class_names=names)
    from video_uniformer.reports.test_report import write_report

    labels = [sample.label for sample in samples]
    return write_report(folder, table, paths=paths, labels=labels, class_names=names)


def describe(config: DictConfig, checkpoint: "Checkpoint", overridden: set[str]) -> None:
    """Set the config's network, clip or image, and classes to those of a checkpoint.

    What the command line says wins, an experiment's input and attention of a dense network, and
    classes that the data config states, among it.
    """
    said = checkpoint.description
    network: Mapping[str, object] = said.network
    if said.network.get("head"):  # whose builders take fewer arguments
        network = {key: value for key, value in network.items() if key in config.model}
        if "experiment" in overridden:  # the same weights are tested with other attention
            network = {k: v for k, v in network.items() if k not in ("attention", "window_size")}
    nodes: dict[str, Mapping[str, object]] = {"model": network}
    if said.input is not None and "experiment" not in overridden:
        fields = asdict(said.input)
        if "sampling.by" in overridden:
            fields.pop("by", None)
        nodes[NODES[kind_of_network(said.network) or VIDEOS]] = fields
    for node, values in nodes.items():
        for key, value in values.items():
            if f"{node}.{key}" not in overridden:
                plain = list(value) if isinstance(value, tuple) else value
                OmegaConf.update(config, f"{node}.{key}", plain, force_add=True)
    names = config.data.class_names
    unstated = isinstance(names, DictConfig) and names.get("source") is None
    if unstated and said.class_names is not None:
        config.data.class_names = list(said.class_names)


def _show(metrics: dict[str, float], config: DictConfig, files: list[Path]) -> None:
    from rich.console import Console
    from rich.table import Table

    clip = config.clip
    evaluated, listed = (int(metrics[f"test/{name}"]) for name in ("evaluated", "listed"))
    table = Table(title=str(config.ckpt_path))
    for heading in ("metric", "value"):
        table.add_column(heading)
    table.add_row("samples evaluated", f"{evaluated} of {listed}")
    if kind_of_part(config, "task") == VIDEOS:
        table.add_row("views", f"{clip.num_clips} clips x {clip.num_crops} crops")
    shown = {name: metrics[name] for name in metrics if not name.endswith(("evaluated", "listed"))}
    for name, value in shown.items():
        table.add_row(name, f"{value:.4f}" if name.endswith("loss") else f"{100 * value:.2f} %")
    # Brackets in paths are theirs, no markup.
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(table)
    for file in files:
        console.print(f"wrote {file}", soft_wrap=True)


def _run(config: DictConfig) -> None:
    import lightning

    silence_libraries()
    runtime = HydraConfig.get()
    config.output_dir = runtime.runtime.output_dir
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    test(config, {text.split("=")[0].lstrip("+") for text in runtime.overrides.task})


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    run_with_config("test", _run, arguments)
