"""A check of overrides that names the nearest right key."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from video_uniformer.cli.config_groups import config_folder, config_groups
from video_uniformer.cli.signatures import Signature, read_signature
from video_uniformer.system.suggestions import did_you_mean, nearest

# How alike two words are that differ by a slip of the finger.
TYPO = 0.8


def check_overrides(arguments: Sequence[str]) -> None:
    """Refuse a misspelt override before anything is read, built or written.

    Args:
        arguments: The command line after the command's name; flags are left to Hydra.

    Raises:
        ValueError: an override whose key or choice does not exist; names the nearest right one.
    """
    overrides = [_parse(text) for text in _override_texts(arguments)]
    if not overrides:
        return
    groups = config_groups()
    chosen = [o for o in overrides if o.key_or_group in groups and not o.is_delete()]
    choices = []
    for override in chosen:
        group = override.key_or_group
        names = _choices(group, override.value(), groups[group])
        choices.append(f"{group}={names[0]}")
    config = _compose(choices)
    known = sorted(_key_paths(config))
    for override in overrides:
        key = override.key_or_group
        is_new = override in chosen or override.is_add() or override.is_force_add()
        if is_new or key in known or re.match("hydra[./]", key):
            continue
        hint = _argument_hint(override, config, known) or _nearest_key(key, [*known, *groups])
        raise ValueError(f"there is no config key {key!r}{hint}")


def _override_texts(arguments: Sequence[str]) -> list[str]:
    """The arguments but flags, and words behind flags, as in `--cfg job`."""
    return [
        text
        for before, text in zip(("", *arguments), arguments, strict=False)
        if not text.startswith("-") and (not before.startswith("-") or "=" in text)
    ]


def _parse(text: str) -> Override:
    try:
        [override] = OverridesParser.create().parse_overrides([text])
    except HydraException as error:
        problem = str(error).removeprefix(f"Error parsing override {text!r}\n").splitlines()[0]
        raise ValueError(
            f"{text!r} is not an override ({problem}), expected KEY=VALUE, and for a value with "
            "special signs 'KEY=\"VALUE\"'"
        ) from None
    return override


def _choices(group: str, value: Any, options: list[str]) -> list[str]:
    """The names in a group's override: one, a list, or the choices of a sweep."""
    if isinstance(value, Glob):
        names = value.filter(options) or value.include
    else:
        names = getattr(value, "list", [value] if _is_one(value) else value)
    for name in names:
        if name not in options:
            hint = did_you_mean(name, options) or f", expected {', '.join(options)}"
            raise ValueError(f"there is no {group}={'null' if value is None else name}{hint}")
    return names


def _is_one(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


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


def _argument_hint(override: Override, config: DictConfig, known: Sequence[str]) -> str | None:
    """How to add an argument that what is called takes and the config does not state."""
    key = override.key_or_group
    parent = next((path for path in _parents(key) if path in known), "")
    target = _target(config, parent)
    if target is None or override.is_delete():
        return None
    name = key.removeprefix(f"{parent}.").split(".")[0]
    rest = override.input_line.removeprefix(f"{parent}.{name}")
    names, is_open = read_signature(target) or Signature((), is_open=True)
    if name in names:
        return f"; +{parent}.{name}{rest} adds it, an argument of {target}"
    stated = {path.removeprefix(f"{parent}.") for path in known if path.startswith(f"{parent}.")}
    near = nearest(name, {*names, *stated}, cutoff=TYPO)
    if near is not None and near not in stated:
        return f"; did you mean +{parent}.{near}{rest}, an argument of {target}?"
    if not is_open:
        return None
    guess = f"; did you mean '{parent}.{near}'?" if near else ";"
    return f"{guess} +{parent}.{name}{rest} adds a new one"


def _parents(key: str) -> Iterator[str]:
    """The key's node, that node's own, and so on."""
    while "." in key:
        key = key.rpartition(".")[0]
        yield key


def _target(config: DictConfig, path: str) -> str | None:
    """What a node calls; None if nothing, or if it only refers to another node."""
    above, _, name = path.rpartition(".")
    holder = OmegaConf.select(config, above) if above else config
    if not path or OmegaConf.is_interpolation(holder, name):
        return None
    node = holder[name]
    return node.get("_target_") if isinstance(node, DictConfig) else None


def _nearest_key(key: str, known: Sequence[str]) -> str:
    """A hint with the nearest known key: in the same node, by paths as long, by last parts."""
    settable = [path for path in known if not path.endswith("_")]  # neither _target_ nor _partial_
    node, _, last = re.sub("/", ".", key).rpartition(".")
    beside = [path for path in settable if path.rpartition(".")[0] == node]
    near = _by_last_part(last, beside)
    if near is None and node not in known:
        as_long = [path for path in settable if path.count(".") == key.count(".")]
        near = nearest(key, as_long, cutoff=0.75)
    near = near or _by_last_part(last, settable)
    return f"; did you mean {near!r}?" if near else "; +KEY=VALUE adds a new one"


def _by_last_part(last: str, paths: Sequence[str]) -> str | None:
    """The first path whose last part is nearest, or begins with this word."""
    ends = {path.rpartition(".")[2]: path for path in reversed(paths)}
    near = ends.get(nearest(last, ends) or "")
    return near or next((ends[end] for end in ends if last and end.startswith(f"{last}_")), None)
