"""What a run does with videos that cannot be read."""

from dataclasses import dataclass, replace
from pathlib import Path

from video_uniformer.system.suggestions import did_you_mean

CHOICES = ("raise", "skip", "substitute", "salvage")


@dataclass(frozen=True)
class BadSamplePolicy:
    """What is done with a video that is missing, damaged, crashes its decoder or hangs it.

    Attributes:
        on_bad_sample: "raise" ends the run with the video's name. "skip" leaves the video out of
            losses and metrics, and counts it. "salvage" uses the intact frames of a damaged video,
            and skips it where there are none. "substitute" takes another video of the list, in
            training alone.
        in_training: Instead of `on_bad_sample` in training; None: the same.
        budget: Share of a list, 0 to 1, that may be bad; the run ends when there are more.
        quarantine: File that lists the videos that were set aside and are not opened again; None
            remembers none. Delete a line to have its file tried again.
        deadline_seconds: The longest wait for opening a video, and for each reading of frames; a
            process beside each reader then decodes for it. None: any time.
        retries: Further tries of a video, a second apart, for storage that fails now and then.

    Raises:
        ValueError: A field is outside what is said above.
    """

    on_bad_sample: str = "raise"
    in_training: str | None = None
    budget: float = 0.05
    quarantine: str | Path | None = None
    deadline_seconds: float | None = None
    retries: int = 0

    def __post_init__(self) -> None:
        _check_choice("on_bad_sample", self.on_bad_sample)
        if self.in_training is not None:
            _check_choice("in_training", self.in_training)
        if not _is_number(self.budget) or not 0 <= self.budget <= 1:
            raise ValueError(f"budget is {self.budget!r}, expected a share from 0 to 1 of the list")
        seconds = self.deadline_seconds
        if seconds is not None and not (_is_number(seconds) and seconds > 0):
            raise ValueError(f"deadline_seconds is {seconds!r}, expected seconds above 0, or null")
        if type(self.retries) is not int or self.retries < 0:
            raise ValueError(f"retries is {self.retries!r}, expected a whole number >= 0")

    def for_split(self, split: str) -> "BadSamplePolicy":
        """The policy for one list of videos: "train", or one that is evaluated.

        Raises:
            ValueError: Evaluation is to substitute videos: its numbers would rest on others than
                those listed.
        """
        if split == "train":
            return replace(self, on_bad_sample=self.in_training or self.on_bad_sample)
        if self.on_bad_sample == "substitute":
            raise ValueError(
                f"on_bad_sample is 'substitute' for {split!r}, where a video is never replaced, "
                "expected raise, skip or salvage; in_training=substitute is for training alone"
            )
        return self


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_choice(name: str, value: str) -> None:
    if value not in CHOICES:
        hint = did_you_mean(value, CHOICES)
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(CHOICES)}{hint}")
