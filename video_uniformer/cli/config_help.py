"""The help of commands with a config: the template of `conf/hydra`, filled in.

Hydra's own way to fill it in looks every group up in a new copy of all overrides, which takes as
long as all else together.
"""

from collections.abc import Sequence
from string import Template

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from video_uniformer.cli import PROGRAM
from video_uniformer.cli.config_groups import config_folder, config_groups


def help_text(command: str, overrides: Sequence[str]) -> str:
    """What a command does, its groups of configs, and the config with these overrides."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("config", overrides=list(overrides), return_hydra_config=True)
    template = Template(config.hydra.help.template)
    with open_dict(config):
        del config["hydra"]
    groups = "\n".join(f"{name}: {', '.join(names)}" for name, names in config_groups().items())
    filled = template.substitute(APP_CONFIG_GROUPS=groups, CONFIG=OmegaConf.to_yaml(config))
    usage = f"{PROGRAM} {command} [--help] [--cfg job] [--multirun] [KEY=VALUE ...]"
    return f"usage: {usage}\n\n{filled}"
