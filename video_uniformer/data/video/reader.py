"""What a run does with videos that cannot be read, and the list of those that it sets aside."""

import errno
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO, NamedTuple

from torch import Tensor

from video_uniformer.data.decoding.guard.deadline import DeadlineError, DecodeGuard, KilledError
from video_uniformer.data.decoding.interface import system_errno
from video_uniformer.data.decoding.opening import Video, VideoError, open_video
from video_uniformer.outcomes import OK, SALVAGED, SKIPPED
from video_uniformer.system.suggestions import did_you_mean

CHOICES = ("raise", "skip", "substitute", "salvage")

_RETRY_PAUSE_SECONDS = 1.0
_SHORTAGES = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.EAGAIN,
)  # of handles, memory, processes


@dataclass(frozen=True)
class BadVideoPolicy:
    """What is done with a video that is missing, damaged, crashes its decoder or hangs it.

    Attributes:
        on_bad_video: "raise" ends the run with the video's name. "skip" leaves the video out of
            losses and metrics, and counts it. "salvage" uses the intact frames of a damaged video,
            and skips it where there are none. "substitute" takes another video of the list, in
            training alone.
        in_training: Instead of `on_bad_video` in training; None: the same.
        budget: Share of a list, 0 to 1, that may be bad; the run ends when there are more.
        quarantine: File that lists the videos that were set aside and are not opened again; None
            remembers none. Delete a line to have its file tried again.
        deadline_seconds: The longest wait for opening a video, and for each reading of frames; a
            process beside each reader then decodes for it. None: any time.
        retries: Further tries of a video, a second apart, for storage that fails now and then.

    Raises:
        ValueError: A field is outside what is said above.
    """

    on_bad_video: str = "raise"
    in_training: str | None = None
    budget: float = 0.05
    quarantine: str | Path | None = None
    deadline_seconds: float | None = None
    retries: int = 0

    def __post_init__(self) -> None:
        _check_choice("on_bad_video", self.on_bad_video)
        if self.in_training is not None:
            _check_choice("in_training", self.in_training)
        if not _is_number(self.budget) or not 0 <= self.budget <= 1:
            raise ValueError(f"budget is {self.budget!r}, expected a share from 0 to 1 of the list")
        seconds = self.deadline_seconds
        if seconds is not None and not (_is_number(seconds) and seconds > 0):
            raise ValueError(f"deadline_seconds is {seconds!r}, expected seconds above 0, or null")
        if type(self.retries) is not int or self.retries < 0:
            raise ValueError(f"retries is {self.retries!r}, expected a whole number >= 0")

    def for_split(self, split: str) -> "BadVideoPolicy":
        """The policy for one list of videos: "train", or one that is evaluated.

        Raises:
            ValueError: Evaluation is to substitute videos: its numbers would rest on others than
                those listed.
        """
        if split == "train":
            return replace(self, on_bad_video=self.in_training or self.on_bad_video)
        if self.on_bad_video == "substitute":
            raise ValueError(
                f"on_bad_video is 'substitute' for {split!r}, where a video is never replaced, "
                "expected raise, skip or salvage; in_training=substitute is for training alone"
            )
        return self


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_choice(name: str, value: str) -> None:
    if value not in CHOICES:
        hint = did_you_mean(value, CHOICES)
        raise ValueError(f"{name} is {value!r}, expected one of {', '.join(CHOICES)}{hint}")


class Quarantine:
    """A file that lists bad videos, which any number of processes read and add to.

    One JSON object a line: the video's absolute `path`, the `reason`, `when` (UTC) it was added,
    and whether it `is_lost`: it hangs, or salvaging it was tried in vain. Lines are added whole,
    and read as they come.

    Args:
        path: The file; made, with its folder, when the first video is added.

    Raises:
        ValueError: The file is something else, or cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._reasons: dict[str, tuple[str, bool]] = {}
        self._num_read = 0  # bytes
        self._check_writable()
        self._read_on()
        if self._num_read and not self._reasons:
            raise ValueError(f"quarantine is {self.path}, which lists no videos, expected its list")

    def __len__(self) -> int:
        """Number of videos listed."""
        self._read_on()
        return len(self._reasons)

    def reason_for(self, path: str | Path, only_lost: bool = False) -> str | None:
        """Why a video is listed, or None where it is not.

        Args:
            path: The video.
            only_lost: Leave out those that may still be salvaged.
        """
        self._read_on()
        # `Path.resolve` would follow links, and ask a disk that may be what stalls.
        reason, is_lost = self._reasons.get(os.path.abspath(path), (None, True))  # noqa: PTH100
        return reason if is_lost or not only_lost else None

    def add(self, path: str | Path, reason: str, *, is_lost: bool = True) -> None:
        """List a video, unless it is listed.

        Args:
            path: The video.
            reason: What is wrong with it.
            is_lost: It hangs, or salvaging it was tried in vain.

        Raises:
            ValueError: The file cannot be written.
        """
        if self.reason_for(path, only_lost=is_lost) is not None:
            return
        when = datetime.now(timezone.utc).isoformat(timespec="seconds")
        name = os.path.abspath(path)  # noqa: PTH100
        entry = {"path": name, "reason": reason, "when": when, "is_lost": is_lost}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered, so that a line is one write, which processes do not interleave.
            with self.path.open("a+b", buffering=0) as file:
                file.write(_line_break(file) + f"{json.dumps(entry)}\n".encode())
        except OSError as error:
            raise self._unwritable(error.strerror) from error
        self._read_on()

    def _check_writable(self) -> None:
        place = next(p for p in (self.path, *self.path.absolute().parents) if p.exists())
        if place == self.path and not place.is_file():
            raise self._unwritable("it is no file")
        if not os.access(place, os.W_OK):
            raise self._unwritable("permission denied")

    def _unwritable(self, why: str | None) -> ValueError:
        return ValueError(
            f"quarantine is {self.path}, which cannot be written ({why}), expected a file that "
            "bad videos can be added to"
        )

    def _read_on(self) -> None:
        """Take in what was added since the last look; start anew if lines were taken out."""
        try:
            size = self.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            size = 0
        if size < self._num_read:
            self._reasons, self._num_read = {}, 0
        if size == self._num_read:
            return
        with self.path.open("rb") as file:
            file.seek(self._num_read)
            added = file.read()
        self._num_read += added.rfind(b"\n") + 1
        for line in added.splitlines():  # the last may lack its end, and is then read once more
            self._take_in(line)

    def _take_in(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            path, reason = str(entry["path"]), str(entry["reason"])
            is_lost = bool(entry.get("is_lost", True))
        except (ValueError, KeyError, TypeError):  # torn, when a disk was full
            return
        if is_lost or path not in self._reasons:
            self._reasons[path] = reason, is_lost


def _line_break(file: BinaryIO) -> bytes:
    """What is to be written ahead of a new line: an edited or torn file may lack its last break."""
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


class Reading(NamedTuple):
    """What was read of a video.

    Attributes:
        frames: uint8 (*indices, H, W, 3), or None where the video is skipped.
        status: Place in `STATUSES`.
        problem: What is wrong with the video; empty where nothing is.
    """

    frames: Tensor | None
    status: int
    problem: str


class VideoReader:
    """Reads frames of videos as a policy says.

    Args:
        policy: What to do with bad videos; `substitute` is the caller's to do, this skips.
        decoder: Name of a decoder of `open_video`.
        opener: Opens videos, with the arguments of `open_video`.

    Raises:
        ValueError: The policy's quarantine list cannot be used.
    """

    def __init__(
        self,
        policy: BadVideoPolicy,
        decoder: str = "auto",
        *,
        opener: Callable[..., Video] = open_video,
    ) -> None:
        self._policy, self._decoder = policy, decoder
        self._open = opener
        if policy.deadline_seconds is not None:
            self._open = DecodeGuard(policy.deadline_seconds, opener=opener).open
        self._quarantine: Quarantine | None = None
        # A run that ends at the first bad video sets nothing aside, and asks each file anew.
        if policy.quarantine is not None and policy.on_bad_video != "raise":
            self._quarantine = Quarantine(policy.quarantine)

    def read(
        self,
        path: Path,
        pick: Callable[[Video], Tensor],
        *,
        num_frames: int | None = None,
        damage: str = "",
    ) -> Reading:
        """Read what `pick` takes from a video; it is called anew at every try.

        A video that fails goes on the quarantine list, unless it is merely absent or not ours to
        read: such a file may come back, and asking for it costs nothing.

        Args:
            path: The video.
            pick: An open video -> frames.
            num_frames: As for `open_video`.
            damage: What is known to be wrong with the video, which is then not read as it is:
                decoders conceal some damage and say nothing.

        Raises:
            VideoError: The video is bad, and the policy is to raise.
            OSError: The machine is short of something, which is not the video's fault.
        """
        salvages = self._policy.on_bad_video == "salvage"
        listed = self._quarantine.reason_for(path, salvages) if self._quarantine else None
        if listed is not None:
            return Reading(None, SKIPPED, listed)
        try:
            if damage:
                raise VideoError(f"{path}: {damage}")
            return Reading(self._read(path, pick, num_frames=num_frames)[0], OK, "")
        except (VideoError, OSError) as error:
            if self._policy.on_bad_video == "raise" or _is_shortage(error):
                raise
            failure = error
        # What hangs one decoder is left: a second wait could be as long as the first.
        if salvages and not isinstance(failure, DeadlineError):
            return self._salvage(path, pick, _explain(path, failure))
        return self._skip(path, failure, _explain(path, failure))

    def _salvage(self, path: Path, pick: Callable[[Video], Tensor], problem: str) -> Reading:
        try:
            frames, lost = self._read(path, pick, salvage=True)
        except (VideoError, OSError) as error:
            if _is_shortage(error):
                raise
            return self._skip(path, error, f"{problem}; not salvaged ({_explain(path, error)})")
        return Reading(frames, SALVAGED, f"{problem}; {lost}" if lost else problem)

    def _skip(self, path: Path, failure: Exception, problem: str) -> Reading:
        """Leave a video out, and list it where that will not change by itself."""
        is_hang = isinstance(failure, DeadlineError)
        is_lasting = is_hang or (not isinstance(failure, KilledError) and os.access(path, os.R_OK))
        # In this order: after a hang the disk itself may be what hangs, and is not asked.
        if self._quarantine is not None and is_lasting:
            is_lost = is_hang or self._policy.on_bad_video == "salvage"
            self._quarantine.add(path, problem, is_lost=is_lost)
        return Reading(None, SKIPPED, problem)

    def _read(
        self,
        path: Path,
        pick: Callable[[Video], Tensor],
        *,
        salvage: bool = False,
        num_frames: int | None = None,
    ) -> tuple[Tensor, str]:
        """The frames, and what a salvaged video lacks; with retries."""
        for retries_left in reversed(range(self._policy.retries + 1)):
            try:
                with self._open(
                    path, self._decoder, salvage=salvage, num_frames=num_frames
                ) as video:
                    return pick(video), video.salvaged
            except (VideoError, OSError):
                if not retries_left:
                    raise
                time.sleep(_RETRY_PAUSE_SECONDS)
        raise AssertionError("the last try returns or raises")


def _is_shortage(error: Exception) -> bool:
    return not isinstance(error, DeadlineError) and system_errno(error) in _SHORTAGES


def _explain(path: Path, error: Exception) -> str:
    """The reason alone, in one line: tables name the path elsewhere."""
    lines = str(error).removeprefix(f"{path}: ").splitlines()
    return lines[0] if lines and lines[0] else type(error).__name__
