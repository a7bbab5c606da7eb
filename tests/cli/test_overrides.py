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
    ("experiment=glob(nothing*)", "there is no experiment=nothing*, expected digits, digits_tok"),
    ("logger=wandb", "there is no logger=wandb, expected csv, default, tensorboard"),
    ("logger=null", "there is no logger=null, expected csv, default, tensorboard"),
    ("xyzzy=3", "there is no config key 'xyzzy'; +KEY=VALUE adds a new one"),
    ("=3", "there is no config key ''"),
    ("~trainer.profiler", "there is no config key 'trainer.profiler'; +KEY=VALUE adds a new one"),
    ("trainer.zigzag=3", "no config key 'trainer.zigzag'; +KEY=VALUE adds a new one"),
    ("optim.optimizer.lr_per_32=1", "did you mean 'optim.optimizer.lr_per_32_videos'?"),
    ("motions", "'motions' is not an override (missing EQUAL at '<EOF>'), expected KEY=VALUE"),
    ("data.root=/a(b)", "'data.root=/a(b)' is not an override (mismatched input '('"),
]

# Arguments of what a node calls that the config does not state.
UNSTATED = [
    "callbacks.best.every_n_train_steps=1",
    "callbacks.best.save_weights_only=true",
    "trainer.benchmark=true",
    "trainer.callbacks=[a,b]",
    "trainer.profiler.dirpath=x",
    "logger.csv.flush_logs_every_n_steps=1",
    "callbacks.throughput.window=5",
]


@pytest.mark.parametrize("overrides", GOOD.values(), ids=GOOD)
def test_good_overrides_pass(overrides: list[str]) -> None:
    check_overrides(overrides)


@pytest.mark.parametrize(("override", "message"), BAD)
def test_bad_override_is_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        check_overrides(["seed=1", override])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("override", UNSTATED)
def test_unstated_argument_is_answered_with_the_words_that_add_it(override: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"; +{override} adds it, an argument of ")) as e:
        check_overrides([override])
    assert "did you mean" not in str(e.value)
    check_overrides([f"+{override}"])


def test_misspelt_unstated_argument_is_answered_with_the_right_one() -> None:
    hint = "; did you mean +callbacks.best.every_n_train_steps=1, an argument of lightning."
    with pytest.raises(ValueError, match=re.escape(hint)):
        check_overrides(["callbacks.best.every_n_train_step=1"])


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("log_dir=x", "'logger.tensorboard.log_dir'; +logger.tensorboard.log_dir=x adds a new one"),
        ("versoin=x", "; did you mean 'logger.tensorboard.version'? +logger.tensorboard.versoin=x"),
    ],
)
def test_call_that_takes_any_argument_is_offered_the_key_itself(override: str, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        check_overrides([f"logger.tensorboard.{override}"])


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
