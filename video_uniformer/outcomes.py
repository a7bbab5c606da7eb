"""What became of a sample of a list: read whole, read in part, left out, or replaced.

A batch carries the place in `STATUSES` as a number, so that it travels as a tensor.
"""

from collections.abc import Mapping
from typing import Any

STATUSES = ("ok", "salvaged", "skipped", "substituted")
OK, SALVAGED, SKIPPED, SUBSTITUTED = range(4)
# PyTorchVideo's word for the place of a video in its list, and ours for that of a picture.
_INDEX_KEYS = ("video_index", "image_index")


class SampleError(ValueError):
    """A sample that cannot be read: the message is its path, a colon and the reason.

    It takes one string, so that it survives the way from a loader's worker process.
    """


def index_in(batch: Mapping[str, Any]) -> Any:
    """The places (B,) of a batch's samples in their list; None where it tells none."""
    return next((batch[key] for key in _INDEX_KEYS if key in batch), None)
