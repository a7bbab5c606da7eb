"""Where the Hydra configs are and which groups they form, told without importing Hydra."""

from pathlib import Path

import video_uniformer


def config_folder() -> Path:
    """The folder `conf`: inside an installed package, beside it in a checkout."""
    package = Path(video_uniformer.__file__).parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def config_groups() -> dict[str, list[str]]:
    """The choices of every group, in the order of their names."""
    return {
        group.name: sorted(f.stem for f in group.glob("*.yaml") if not f.stem.startswith("_"))
        for group in sorted(config_folder().iterdir())
        if group.is_dir()
    }
