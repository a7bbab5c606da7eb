"""Commands that Hydra composes a config for: train and test."""

import functools
import sys
from collections.abc import Sequence

import hydra
from omegaconf import DictConfig

from video_uniformer.cli import PROGRAM
from video_uniformer.cli.config_groups import config_folder
from video_uniformer.cli.config_help import help_text
from video_uniformer.cli.errors import one_line_errors
from video_uniformer.cli.hydra_options import override_parser
from video_uniformer.cli.overrides import check_overrides
from video_uniformer.cli.sweeps import Task, is_job_of_sweep, summed_up


def run_with_config(command: str, task: Task, arguments: Sequence[str] | None) -> None:
    """Call `task` with the config that `arguments` ask for, as `hydra.main` does.

    Args:
        command: The command's name.
        task: Called once for each job of a sweep; returns the objective, if it has one.
        arguments: The words after the command's name; None: those of this process.
    """
    # Hydra reads the words behind the command in `sys.argv`, while Lightning starts the processes
    # of further devices with all of it, the command's name included.
    launched = sys.argv
    overrides = launched[1:] if arguments is None else list(arguments)
    options = override_parser(command).parse_args(overrides)
    own_configs = options.config_dir or options.config_path or options.config_name
    with one_line_errors():
        if not own_configs:
            check_overrides(overrides)
        if options.help and not own_configs:
            print(help_text(command, options.overrides))
            return

    if not (options.cfg or options.info or options.hydra_help or options.version):
        # Sets the level of its loggers when it is imported, and Hydra's config sets it again.
        import lightning  # noqa: F401
    start = hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")
    sys.argv = [f"{PROGRAM} {command}", *overrides]
    with summed_up(overrides) as sweep:

        @functools.wraps(task)
        def as_launched(config: DictConfig) -> float | None:
            sys.argv = launched
            if is_job_of_sweep():
                return sweep.run(task, config)
            with one_line_errors():
                return task(config)

        try:
            start(as_launched)()
        finally:
            sys.argv = launched
