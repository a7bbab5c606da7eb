"""Overrides are checked before anything is read: good ones pass, bad ones get a suggestion."""

import re
from pathlib import Path

import pytest

import video_uniformer
from video_uniformer.cli.config_groups import config_folder
from video_uniformer.cli.overrides import check_overrides

GOOD = {
    "values": [
        *("model.variant=base", "data.root='/with space'", "clip.stride=null", "task.mixing=null"),
        *("model.checkpoint_blocks=[0,0,4,0]", "data.class_names=[run,jump]"),
        "data.datasets.train.transform.rand_augment.magnitude=5",
    ],
    "sweeps": ["seed=1,2", "data.batch_size=range(1,4)", "model.variant=choice(small,base)"],
    "additions and deletions": ["+trainer.fast_dev_run=true", "~callbacks.progress", "~optim"],
    "choices": ["data=ucf101", "experiment=motions", "logger=[csv,tensorboard]"],
    "sweeps of choices": ["experiment=motions,uniformer_s_8x8_k400"],
    "globs": ["experiment=glob(uniformer_s*)"],
    "hydra's own": ["hydra.run.dir=/tmp/run", "hydra/job_logging=disabled"],
}

BAD = [
    ("model.varient=base", "no config key 'model.varient'; did you mean 'model.variant'?"),
    ("modle.variant=base", "no config key 'modle.variant'; did you mean 'model.variant'?"),
    ("modle=uniformer", "no config key 'modle'; did you mean 'model'?"),
    ("max_epochs=3", "no config key 'max_epochs'; did you mean 'trainer.max_epochs'?"),
    ("trainer.max_epoch=3", "'trainer.max_epoch'; did you mean 'trainer.max_epochs'?"),
    ("optim.lr=1e-3", "'optim.lr'; did you mean 'optim.optimizer.lr_per_32_videos'?"),
    ("task.network.variant=base", "did you mean 'model.variant'?"),
    ("clip.strides=2,4", "'clip.strides'; did you mean 'clip.stride'?"),
    ("~callbacks.progres", "'callbacks.progres'; did you mean 'callbacks.progress'?"),
    ("data=ucf11", "there is no data=ucf11; did you mean 'ucf101'?"),
    ("data=ucf101,ucf11", "there is no data=ucf11; did you mean 'ucf101'?"),
    ("experiment=uniformer_s_16x4_k40", "did you mean 'uniformer_s_16x4_k400'?"),
    ("experiment=_kinetics", "there is no experiment=_kinetics"),
    ("experiment=glob(nothing*)", "there is no experiment=nothing*, expected motions, uni"),
    ("logger=wandb", "there is no logger=wandb, expected csv, default, tensorboard"),
    ("logger=null", "there is no logger=null, expected csv, default, tensorboard"),
    ("xyzzy=3", "there is no config key 'xyzzy'; +KEY=VALUE adds a new one"),
    ("=3", "there is no config key ''"),
    ("motions", "'motions' is not an override (missing EQUAL at '<EOF>'), expected KEY=VALUE"),
    ("data.root=/a(b)", "'data.root=/a(b)' is not an override (mismatched input '('"),
]


@pytest.mark.parametrize("overrides", GOOD.values(), ids=GOOD)
def test_good_overrides_pass(overrides: list[str]) -> None:
    check_overrides(overrides)


@pytest.mark.parametrize(("override", "message"), BAD)
def test_bad_override_is_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        check_overrides(["seed=1", override])
    assert "\n" not in str(error.value)


def test_keys_are_those_of_the_chosen_groups() -> None:
    check_overrides(["data=motions", "data.prepare.num_train=10"])
    with pytest.raises(ValueError, match=r"there is no config key 'data\.prepare\.num_train'"):
        check_overrides(["data=ucf101", "data.prepare.num_train=10"])


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["-m", "seed=1,2"], ["--info", "all"], []])
def test_flags_are_left_to_hydra(flags: list[str]) -> None:
    check_overrides(flags)


def test_override_behind_a_flag_is_checked() -> None:
    with pytest.raises(ValueError, match="did you mean 'seed'"):
        check_overrides(["-m", "sed=1,2"])


def test_configs_of_a_checkout_stand_beside_the_package() -> None:
    folder = config_folder()
    assert folder == Path(video_uniformer.__file__).parents[1] / "conf"
    assert (folder / "config.yaml").is_file()


def test_configs_of_a_wheel_stand_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf").mkdir()
    monkeypatch.setattr(video_uniformer, "__file__", str(tmp_path / "__init__.py"))
    assert config_folder() == tmp_path / "conf"
