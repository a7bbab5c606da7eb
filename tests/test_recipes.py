"""Every recipe composes, adds no key of its own, builds, and equals the published one."""

import copy
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

CONF = Path(__file__).parents[1] / "conf"


def golden(name: str) -> dict[str, Any]:
    rows: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / name).read_text())
    return rows["recipes"]


GOLDEN, GOLDEN_IMAGES = golden("recipes.json"), golden("image_recipes.json")
GOLDEN_DENSE = golden("dense_recipes.json")
RECIPES = sorted(p.stem for p in (CONF / "experiment").glob("*.yaml") if p.name[0] != "_")
OWN = {"motions", "digits", "digits_token_labels", "shapes_segmentation", "shapes_pose"}


@pytest.fixture(scope="module", autouse=True)
def hydra() -> Iterator[None]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@functools.cache
def load(*overrides: str) -> DictConfig:
    return compose("config", overrides=["data.root=videos", *overrides], return_hydra_config=True)


def recipe(name: str) -> DictConfig:
    return load(f"experiment={name}")


def key_paths(node: Any, prefix: str = "") -> set[str]:
    if not isinstance(node, dict):
        return set()
    return {f"{prefix}{key}" for key in node} | {
        path for key, value in node.items() for path in key_paths(value, f"{prefix}{key}.")
    }


def own_keys(config: DictConfig) -> set[str]:
    """The config's key paths without Hydra's own."""
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    return key_paths({key: value for key, value in plain.items() if key != "hydra"})


def test_published_recipes_are_those_of_the_table() -> None:
    assert set(RECIPES) - OWN == set(GOLDEN) | set(GOLDEN_IMAGES) | set(GOLDEN_DENSE)
    assert (len(GOLDEN), len(GOLDEN_IMAGES), len(GOLDEN_DENSE)) == (39, 19, 20)


def of_groups(choices: Mapping[str, str]) -> DictConfig:
    """The config of a choice of groups, without any experiment."""
    return load(*(f"{group}={choice}" for group, choice in sorted(choices.items())))


def own_choices(config: DictConfig) -> dict[str, str]:
    choices = config.hydra.runtime.choices
    return {g: choices[g] for g in choices if "/" not in g and g != "experiment"}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_only_turns_knobs_that_its_groups_define(name: str) -> None:
    config = recipe(name)
    assert own_keys(config) <= own_keys(of_groups(own_choices(config)))


def rates(config: DictConfig) -> dict[str, float]:
    """Peak, first and last learning rate, as the optimiser and the schedule make them."""
    optimizer = instantiate(config.optim.optimizer)(nn.Linear(1, 1))
    peak_lr = optimizer.param_groups[0]["lr"]
    schedule = instantiate(config.optim.schedule)(
        optimizer, steps_per_epoch=1, total_steps=config.trainer.max_epochs
    )
    factor = schedule.lr_lambdas[0]
    return {
        "peak_lr": factor(config.optim.schedule.warmup_epochs) * peak_lr,
        "start_lr": factor(0) * peak_lr,
        "end_lr": factor(config.trainer.max_epochs) * peak_lr,
        "weight_decay": optimizer.param_groups[0]["weight_decay"],
    }


def facts(config: DictConfig) -> dict[str, Any]:
    """What the golden table says of a recipe, from its config."""
    clip, train = config.clip, config.data.datasets.train.transform
    mixing = config.task.mixing
    return {
        "variant": config.model.variant,
        "drop_path_rate": config.model.drop_path_rate,
        "layer_scale": config.model.layer_scale,
        **{key: clip[key] for key in ("num_frames", "stride", "size", "num_clips", "num_crops")},
        "channel_order": clip.channel_order,
        "data": config.hydra.runtime.choices.data,
        "num_classes": config.data.num_classes,
        "batch_size": config.data.batch_size,
        "epochs": config.trainer.max_epochs,
        "warmup_epochs": config.optim.schedule.warmup_epochs,
        "precision": config.trainer.precision,
        "gradient_clip": config.trainer.gradient_clip_val,
        "seed": config.seed,
        "init": config.task.init,
        "fusion": config.task.fusion,
        **{key: train[key] for key in ("num_views", "flip_prob", "erase_prob")},
        "rand_augment": OmegaConf.to_container(train.rand_augment),
        **{key: mixing[key] for key in ("mixup_alpha", "cutmix_alpha", "cutmix_prob")},
        "label_smoothing": mixing.label_smoothing,
        **{key: pytest.approx(value) for key, value in rates(config).items()},
    }


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_recipe_equals_its_published_row(name: str) -> None:
    assert GOLDEN[name] == facts(recipe(name))


def image_facts(config: DictConfig) -> dict[str, Any]:
    """What the golden table says of an image recipe, from its config."""
    train, schedule = config.data.datasets.train.transform, config.optim.schedule
    mixing = config.task.mixing or config.task.token_labels
    return {
        **{key: config.model[key] for key in ("variant", "head_dim", "layer_scale")},
        **{key: config.model[key] for key in ("drop_path_rate", "token_labels")},
        **{key: config.image[key] for key in ("size", "crop_share")},
        **{key: config.data[key] for key in ("batch_size", "num_repeats", "num_classes")},
        **{key: schedule[key] for key in ("lags", "warmup_epochs", "cooldown_epochs")},
        "data": config.hydra.runtime.choices.data,
        "epochs": config.trainer.max_epochs,
        "ema": config.callbacks.ema.decay,
        "precision": config.trainer.precision,
        "gradient_clip": config.trainer.gradient_clip_val,
        "seed": config.seed,
        "init": config.task.init,
        **{key: train[key] for key in ("augment", "flip_prob", "erase_prob")},
        **{key: pytest.approx(list(train[key])) for key in ("scale", "ratio")},
        **{key: mixing.get(key) for key in ("mixup_alpha", "cutmix_alpha", "cutmix_prob")},
        "label_smoothing": mixing.get("label_smoothing"),
        **{key: pytest.approx(value) for key, value in image_rates(config).items()},
    }


def image_rates(config: DictConfig) -> dict[str, float]:
    """Peak, first and last learning rate, as the optimiser and the schedule make them."""
    optimizer = instantiate(config.optim.optimizer)(nn.Linear(1, 1))
    peak_lr = optimizer.param_groups[0]["lr"]
    epochs = config.trainer.max_epochs
    schedule = instantiate(config.optim.schedule)(optimizer, steps_per_epoch=1, total_steps=epochs)
    return {
        "peak_lr": peak_lr,
        "start_lr": schedule.lr_lambdas[0](0) * peak_lr,
        "end_lr": schedule.lr_lambdas[0](epochs + 1) * peak_lr,
        "weight_decay": optimizer.param_groups[0]["weight_decay"],
    }


@pytest.mark.parametrize("name", sorted(GOLDEN_IMAGES))
def test_image_recipe_equals_its_published_row(name: str) -> None:
    assert GOLDEN_IMAGES[name] == image_facts(recipe(name))


def dense_facts(config: DictConfig) -> dict[str, Any]:
    """What the golden table says of a recipe for a dense task, from its config."""
    train = config.data.datasets.train.transform
    is_pose = config.hydra.runtime.choices.task == "pose"
    optimizer = instantiate(config.optim.optimizer)(nn.Linear(1, 1))
    peak_lr = optimizer.param_groups[0]["lr"]
    steps = config.trainer.max_epochs if is_pose else config.trainer.max_steps
    schedule = instantiate(config.optim.schedule)(optimizer, steps_per_epoch=1, total_steps=steps)
    shared = {
        **{key: config.model[key] for key in ("variant", "attention", "window_size")},
        **{key: config.model[key] for key in ("drop_path_rate", "checkpoint_blocks")},
        **{key: config.data[key] for key in ("batch_size", "num_classes")},
        "peak_lr": pytest.approx(peak_lr),
        "end_lr": pytest.approx(schedule.lr_lambdas[0](steps) * peak_lr),
        "weight_decay": optimizer.param_groups[0]["weight_decay"],
        "data": config.hydra.runtime.choices.data,
        "init": config.task.init,
        "gradient_clip": config.trainer.gradient_clip_val,
        "precision": config.trainer.precision,
        "sync_batchnorm": config.trainer.sync_batchnorm,
        "flip_prob": train.flip_prob,
    }
    if is_pose:
        spec = {key: config.person[key] for key in ("height", "width", "sigma", "padding")}
        keys = ("half_body_prob", "scale_factor", "rotation", "rotation_prob")
        own = {**spec, **{key: train[key] for key in keys}}
        return {"kind": "pose", **shared, **own, "max_epochs": steps}
    keys = ("short_side", "long_side", "crop_size", "multiple")
    return {
        "kind": "segmentation",
        **shared,
        "head": config.model.head,
        "max_steps": steps,
        **{key: config.scene[key] for key in keys},
        "ratio": list(train.ratio),
        "max_class_share": train.max_class_share,
        "auxiliary_weight": config.task.auxiliary_weight,
    }


@pytest.mark.parametrize("name", sorted(GOLDEN_DENSE))
def test_dense_recipe_equals_its_published_row(name: str) -> None:
    assert GOLDEN_DENSE[name] == dense_facts(recipe(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_recipe_builds_its_task(name: str) -> None:
    config = copy.deepcopy(recipe(name))
    with torch.device("meta"):  # the real network, without its memory
        network = instantiate(config.model)
    assert network.num_classes == config.data.num_classes
    config.model.variant = "test" if config.model.get("layer_scale") is None else "test_light"
    if "head_dim" in config.model:
        config.model.head_dim = None
    config.model.checkpoint_blocks = [0, 0, 0, 0]  # there are fewer blocks
    task = instantiate(config.task, _convert_="all")
    assert task.network.num_classes == config.data.num_classes
    told = OmegaConf.to_container(config.task.input)
    assert isinstance(told, dict)
    del told["_target_"]
    assert json.loads(json.dumps(asdict(task.input))).items() >= told.items()


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_builds_its_data_and_knows_its_classes(name: str, tmp_path: Path) -> None:
    config = recipe(name)
    names = "abcdefghij" if config.data.num_classes == 10 else "abcd"  # of motions, of shapes
    (tmp_path / "classes.txt").write_text("\n".join(names))
    datamodule = instantiate(config.data, root=tmp_path, _convert_="all")
    assert (datamodule.root, datamodule.batch_size) == (tmp_path, config.data.batch_size)
    assert len(datamodule.class_names) == config.data.num_classes


@pytest.mark.parametrize("name", sorted(p.stem for p in (CONF / "data").glob("*.yaml")))
def test_data_config_builds(name: str, tmp_path: Path) -> None:
    config = of_groups({**own_choices(recipe("motions")), "data": name})
    assert instantiate(config.data, root=tmp_path, _convert_="all").root == tmp_path


@pytest.mark.parametrize("path", sorted((CONF / "experiment").glob("[!_]*.yaml")), ids=str)
def test_recipe_is_short(path: Path) -> None:
    limit = 12 if path.stem not in OWN else 20
    assert len(path.read_text().splitlines()) <= limit


def test_configs_repeat_themselves_little() -> None:
    lines = [
        line.strip()
        for path in CONF.rglob("*.yaml")
        for line in path.read_text().splitlines()
        if line.strip()
    ]
    assert len(lines) < 3 * len(set(lines))
