"""Sweeps: a job that fails leaves the others alone, objectives arrive, folders are not shared."""

import importlib
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from omegaconf import DictConfig

from video_uniformer.cli.hydra_runs import run_with_config
from video_uniformer.cli.train import main

Run = Callable[..., Any]
SWEEP = "hydra.sweep.dir=sweep"

# As the sweeper of Optuna: job after job, each with a number from 0 and values of its own choice; a
# result that raises, or is no number, is a failure.
STUDY = """
import json
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

class Study(Sweeper):
    def __init__(self, key, values):
        self.key, self.values = key, values

    def setup(self, *, hydra_context, task_function, config):
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments):
        results = []
        for number, value in enumerate(self.values):
            overrides = [f"{self.key}={value}", *arguments]
            [job] = self.launcher.launch([overrides], initial_job_idx=number)
            try:
                results.append(float(job.return_value))
            except Exception as error:
                results.append(f"{type(error).__name__}: {error}")
        with open("results.json", "w") as file:
            json.dump(results, file)
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sequence[str]]:
    """The words that let a sweeper as Optuna's try values of a key."""
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "study.py").write_text(STUDY)
    monkeypatch.syspath_prepend(tmp_path)
    Plugins.instance().register(importlib.import_module("hydra_plugins.study").Study)
    config = tmp_path / "own" / "hydra" / "sweeper" / "study.yaml"
    config.parent.mkdir(parents=True)

    def words(key: str, values: Sequence[Any]) -> Sequence[str]:
        settings = {"_target_": "hydra_plugins.study.Study", "key": key, "values": values}
        config.write_text(json.dumps(settings))
        return ("-m", "--config-dir", str(tmp_path / "own"), "hydra/sweeper=study", SWEEP)

    return words


def command(task: Callable[[DictConfig], float | None]) -> Callable[[], None]:
    return lambda: run_with_config("train", task, None)


def folder() -> Path:
    return Path(HydraConfig.get().runtime.output_dir)


def folders(sweep: Path) -> list[str]:
    return sorted(path.name for path in sweep.iterdir() if path.is_dir())


@pytest.mark.slow
def test_failing_job_is_named_at_once_and_the_others_train(
    run: Run, tiny: Sequence[str], tmp_path: Path
) -> None:
    settings = (*tiny, SWEEP, "logger=csv", "callbacks.progress=null", "trainer.max_steps=1")
    ran = run(main, "-m", *settings, "data.batch_size=2,0,1,3,4")
    first, last = ran.err.splitlines()
    assert first.startswith("error: job 1 (data.batch_size=0): data.batch_size is 0, expected ")
    assert (ran.status, last) == (1, "error: 1 of 5 jobs failed: 1")
    written = [path.parts[-3] for path in (tmp_path / "sweep").glob("*/checkpoints/last.ckpt")]
    assert sorted(written) == ["0", "2", "3", "4"]


@pytest.mark.slow
def test_best_value_of_the_monitored_metric_is_the_objective(
    run: Run, tiny: Sequence[str], study: Callable[..., Sequence[str]], tmp_path: Path
) -> None:
    words = study("data.decoder", ["pyav", "wrong", "pyav"])
    monitor = ("callbacks.best.monitor=val/loss", "callbacks.best.mode=min", "logger=csv")
    ran = run(main, *words, *tiny, *monitor, "trainer.max_epochs=2")
    first, failed, third = json.loads((tmp_path / "results.json").read_text())
    rows = (tmp_path / "sweep" / "0" / "csv" / "version_0" / "metrics.csv").read_text()
    heading, *lines = (line.split(",") for line in rows.splitlines())
    losses = [line[heading.index("val/loss")] for line in lines]
    assert first == third == pytest.approx(min(float(loss) for loss in losses if loss))
    assert failed.startswith("JobFailed: job 1 (data.decoder=wrong): decoder is 'wrong', expected ")
    assert (ran.status, ran.err.splitlines()[-1]) == (1, "error: 1 of 3 jobs failed: 1")


def test_run_without_an_objective_is_a_failed_one_to_a_sweeper_that_wants_it(
    run: Run, study: Callable[..., Sequence[str]], tmp_path: Path
) -> None:
    values = [0.5, None, math.inf]
    ran = run(command(lambda config: values[config.seed]), *study("seed", [0, 1, 2]))
    first, second, third = json.loads((tmp_path / "results.json").read_text())
    assert (first, third) == (0.5, math.inf)
    assert second == (
        "JobFailed: job 1 (seed=1): the objective is None, expected a value of what "
        "callbacks.best monitors"
    )
    assert ran.status == 1


def test_bug_keeps_its_traceback_and_every_failure_is_summed_up(run: Run, tmp_path: Path) -> None:
    def task(config: DictConfig) -> None:
        assert config.seed != 0, "a bug"
        if config.seed == 2:
            raise ValueError("seed is 2, expected another")

    settings = (SWEEP, "hydra.sweeper.max_batch_size=1", "clip.size=32")
    ran = run(command(task), "-m", *settings, "seed=0,1,2")
    assert ran.status == 1
    first, traceback, *_, second, last = ran.err.splitlines()
    assert first == "error: job 0 (seed=0): AssertionError: a bug"
    assert traceback == "Traceback (most recent call last):"
    assert second == "error: job 2 (seed=2): seed is 2, expected another"
    assert last == "error: 2 of 3 jobs failed: 0, 2"
    assert folders(tmp_path / "sweep") == ["0", "1", "2"]


def test_stop_ends_the_whole_sweep_with_its_own_status(run: Run, tmp_path: Path) -> None:
    def task(config: DictConfig) -> None:
        raise SystemExit(75)

    ran = run(command(task), "-m", SWEEP, "seed=0,1")
    assert (ran.status, ran.err) == (75, "")
    assert folders(tmp_path / "sweep") == ["0"]


def test_interrupt_ends_the_whole_sweep(run: Run, tmp_path: Path) -> None:
    def task(config: DictConfig) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(command(task), "-m", SWEEP, "seed=0,1")
    assert folders(tmp_path / "sweep") == ["0"]


@pytest.mark.slow
def test_same_sweep_again_gives_every_job_its_own_folder_back(run: Run, tmp_path: Path) -> None:
    def task(config: DictConfig) -> None:
        (folder() / "checkpoints").mkdir(exist_ok=True)
        with (folder() / "seeds.txt").open("a") as file:
            file.write(f"{config.seed} ")

    for _ in range(2):
        assert run(command(task), "-m", SWEEP, "seed=4,5", "clip.size=32").status == 0
    assert folders(tmp_path / "sweep") == ["0", "1"]
    assert (tmp_path / "sweep" / "1" / "seeds.txt").read_text() == "5 5 "


@pytest.mark.slow
def test_job_with_other_settings_leaves_the_folder_of_its_number_alone(
    run: Run, study: Callable[..., Sequence[str]], tmp_path: Path
) -> None:
    def task(config: DictConfig) -> float:
        (folder() / "checkpoints").mkdir()
        (folder() / "seed.txt").write_text(str(config.seed))
        return 0.0

    for seeds in ([3, 4], [5, 6], [7]):
        assert run(command(task), *study("seed", seeds)).status == 0
    found = {path.parent.name: path.read_text() for path in (tmp_path / "sweep").glob("*/seed.txt")}
    assert found == {"0": "3", "1": "4", "0_2": "5", "1_2": "6", "0_3": "7"}


def test_checkpoints_without_a_record_of_whose_they_are_stay_alone(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "sweep" / "0" / "checkpoints").mkdir(parents=True)
    run(command(lambda config: None), "-m", SWEEP, "hydra.output_subdir=null", "seed=1")
    assert folders(tmp_path / "sweep") == ["0", "0_2"]
