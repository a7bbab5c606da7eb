"""Where the published weights that our recipes start from are found."""

import difflib
import os
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import hf_hub_download

FOLDER_VARIABLE = "VIDEO_UNIFORMER_WEIGHTS"


class Published(NamedTuple):
    """A released file: `repo` on the Hugging Face hub or None, and its Google Drive identifier."""

    repo: str | None
    drive_id: str


# The authors' READMEs (github.com/Sense-X/UniFormer) and their repositories on the hub.
PUBLISHED = {
    "uniformer_small_in1k": Published(
        "Sense-X/uniformer_image", "1-uepH3Q3BhTmWU6HK-sGAGQC_MpfIiPD"
    ),
    "uniformer_base_in1k": Published(
        "Sense-X/uniformer_image", "1-wT39QazTGELxgrQIu6J12D3qcla3hui"
    ),
    "uniformer_small_k400_16x4": Published(None, "1-jGZIIuTM5IYIpqkNTojhGhfMc7Gu9Kt"),
    "uniformer_base_k400_16x4": Published(
        "Andy1621/uniformer", "15ipzFaZdTt-aHv7jcr_h_vgYD2X7D6AD"
    ),
    "uniformer_small_k600_16x4": Published(None, "1-dqzjm5RZVspWHQLRD4S1vo4_6jyVltb"),
    "uniformer_base_k600_16x4": Published(None, "1nBQCBCsCflhZ4OGUoGB3pAkc_GDau7vd"),
}


def find_weights(source: str | Path) -> Path:
    """The local file of a path or of a published name, downloaded and cached when it is hosted.

    A name is looked for as `NAME.pth` in the folder that the environment variable
    `VIDEO_UNIFORMER_WEIGHTS` names (default `weights` in the working directory), then on the hub.

    Args:
        source: A path, or a key of `PUBLISHED`.

    Raises:
        ValueError: neither a file nor a published name, or the file must be fetched by hand; the
            message says from where and to where.
    """
    path = Path(source)
    if path.is_file():
        return path
    name = str(source)
    if name not in PUBLISHED:
        near = difflib.get_close_matches(name, PUBLISHED, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"weights {name!r} is neither a file nor one of {', '.join(PUBLISHED)}{hint}"
        )
    by_hand = Path(os.environ.get(FOLDER_VARIABLE, "weights")) / f"{name}.pth"
    return by_hand if by_hand.is_file() else _download(name, by_hand)


def _download(name: str, by_hand: Path) -> Path:
    repo, drive_id = PUBLISHED[name]
    reason = "the authors host it on Google Drive only"
    if repo is not None:
        try:
            return Path(hf_hub_download(repo, f"{name}.pth"))
        except OSError as error:
            first_line = str(error).strip().split("\n", maxsplit=1)[0]
            reason = f"downloading it from huggingface.co/{repo} failed: {first_line}"
    raise ValueError(
        f"weights {name!r} are not here: {reason}. Fetch "
        f"https://drive.google.com/file/d/{drive_id} and save it as {by_hand}"
    )
