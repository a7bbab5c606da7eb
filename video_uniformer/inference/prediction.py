"""What a classifier says of a video or picture: its answer, or why there is none."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from video_uniformer.system.printable import show_name


@dataclass(frozen=True, repr=False, eq=False)
class Prediction:
    """The answer for one file; printing it shows the five most probable classes.

    Attributes:
        path: The video or picture.
        probabilities: (K,) float32, summing to 1.
        class_names: K names.
        indices: (clips, T) numbers of the frames that were looked at; None for a picture.
        times: (clips, T) seconds at which these are shown; None where nobody asked.
        frames: These frames, uint8 (clips, T, H, W, 3), and a picture as one clip of one frame;
            None where they were not to be kept.
        problem: What is wrong with a file of which only the intact frames, or the intact part of
            the picture, were used; else empty.
    """

    path: Path
    probabilities: Tensor
    class_names: tuple[str, ...]
    indices: Tensor | None = None
    times: Tensor | None = None
    frames: Tensor | None = None
    problem: str = ""

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The `k` most probable classes with their probabilities, best first."""
        values, indices = self.probabilities.topk(min(k, len(self.class_names)))
        return [
            (self.class_names[index], value)
            for index, value in zip(indices.tolist(), values.tolist(), strict=True)
        ]

    def __str__(self) -> str:
        used = "the intact part" if self.indices is None else "intact frames"
        note = [f"  only {used}: {self.problem}"] if self.problem else []
        rows = [f"  {100 * value:5.1f} %  {name}" for name, value in self.top()]
        return "\n".join([show_name(str(self.path)), *rows, *note])

    def __repr__(self) -> str:
        [(name, value)] = self.top(1)
        best = f"{name!r} {100 * value:.1f} %"
        return f"Prediction({str(self.path)!r}, {best} of {len(self.class_names)} classes)"


@dataclass(frozen=True)
class Failure:
    """A file without an answer; printing it tells why.

    Attributes:
        path: The video or picture.
        problem: What is wrong with it, in one line that names it.
    """

    path: Path
    problem: str

    def __str__(self) -> str:
        return show_name(self.problem)
