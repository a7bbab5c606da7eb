"""Where the Hydra configs are, and a check of overrides that names the nearest right key."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

import video_uniformer


def config_folder() -> Path:
    """The folder `conf`: inside an installed package, beside it in a checkout."""
    package = Path(video_uniformer.__file__).parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def check_overrides(arguments: Sequence[str]) -> None:
    """Refuse a misspelt override before anything is read, built or written.

    Args:
        arguments: The command line after the command's name; flags are left to Hydra.

    Raises:
        ValueError: an override whose key or choice does not exist; names the nearest right one.
    """
    texts = [text for text in arguments if "=" in text and not text.startswith("-")]
    try:
        overrides = OverridesParser.create().parse_overrides(texts)
    except HydraException as error:
        raise ValueError(str(error).split("\n", maxsplit=1)[0]) from None
    groups = _groups()
    chosen = [o for o in overrides if o.key_or_group in groups]
    for override in chosen:
        _check_choices(override.key_or_group, override.value(), groups[override.key_or_group])
    choices = [f"{o.key_or_group}={_first(o.value())}" for o in chosen if not o.is_delete()]
    known = sorted(_key_paths(_compose(choices)))
    for override in overrides:
        key = override.key_or_group
        if override in chosen or override.is_add() or override.is_force_add():
            continue
        if key not in known and not key.startswith("hydra."):
            raise ValueError(f"there is no config key {key!r}{_nearest(key, [*known, *groups])}")


def _groups() -> dict[str, list[str]]:
    folder = config_folder()
    return {
        group.name: sorted(f.stem for f in group.glob("*.yaml") if not f.stem.startswith("_"))
        for group in folder.iterdir()
        if group.is_dir()
    }


def _check_choices(group: str, value: Any, options: list[str]) -> None:
    for choice in _choices(value):
        if choice not in options:
            near = _nearest(choice, options)
            raise ValueError(f"there is no {group}={choice}{near or '; ' + ', '.join(options)}")


def _choices(value: Any) -> list[str]:
    """The names in an override's value: one, a list, or the choices of a sweep."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    return [str(item) for item in getattr(value, "list", value)]


def _first(value: Any) -> str:
    return (_choices(value) or ["null"])[0]


def _compose(choices: list[str]) -> DictConfig:
    state = GlobalHydra.instance().is_initialized()
    assert not state, "overrides are checked before Hydra starts"
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return compose("config", overrides=choices)


def _key_paths(config: DictConfig, prefix: str = "") -> Iterator[str]:
    for key in map(str, config):
        path = f"{prefix}{key}"
        yield path
        if OmegaConf.is_missing(config, key) or OmegaConf.is_interpolation(config, key):
            continue
        if isinstance(config[key], DictConfig):
            yield from _key_paths(config[key], f"{path}.")


def _nearest(key: str, known: Sequence[str]) -> str:
    """A hint with the nearest known key, comparing whole paths, then last parts."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    if not near:
        last = re.split(r"[./]", key)[-1]
        ends = {path.rsplit(".", 1)[-1]: path for path in reversed(known)}
        near = [ends[end] for end in difflib.get_close_matches(last, ends, n=1)]
    return f"; did you mean {near[0]!r}?" if near else ""
