"""What a process that wants videos decoded and its child that decodes say to each other.

    reader (parent)                                   decoding process (child)

    Open(path, ...)            ------------------->   opens the video
                               <-------------------   Opened(num_frames, fps, origin)
    ReadTimes()                ------------------->
                               <-------------------   Times(seconds)
    Read(indices, slot=0)      ------------------->   decodes into slot 0
                               <-------------------   Frames(slot=0, shape, new_bytes)
                               <- - - - - - - - - -   descriptor of slot 0, if new_bytes > 0
    Close(), or another Open   ------------------->   closes the video

    shared memory    slot 0: lent   slot 1: free   slot 2: free

Every answer may be a `Failure` instead. A slot is lent as long as a tensor of the reader refers to
it, and the reader names a free one in each `Read`; the child makes a slot's memory when it is first
needed or its size no longer suits, and then hands over the descriptor. An answer that is late, or a
line that ends, is the end of the child: the reader kills it, and forks another for the next video.
"""

from typing import Any, NamedTuple


class Open(NamedTuple):
    """Asks for a video, with the arguments of `open_video`; the one before is closed."""

    path: str
    decoder: str
    salvage: bool
    short_side: int | None
    num_frames: int | None


class Read(NamedTuple):
    """Asks for frames by numbers, in nested lists, to be put in a slot of shared memory."""

    indices: list[Any]
    slot: int


class ReadTimes(NamedTuple):
    """Asks when the frames are shown."""


class Close(NamedTuple):
    """Asks to close the video; has no answer."""


class Origin(NamedTuple):
    """Attributes of a `Video` that change when another decoder takes over."""

    decoder: str
    choice: str
    salvaged: str


class Opened(NamedTuple):
    """Facts of an open video."""

    num_frames: int
    fps: float
    origin: Origin


class Times(NamedTuple):
    """Seconds as float64."""

    seconds: bytes


class Frames(NamedTuple):
    """The frames are in a slot, in memory whose descriptor follows if `new_bytes` is not 0."""

    slot: int
    shape: tuple[int, ...]
    new_bytes: int
    origin: Origin


class Failure(NamedTuple):
    """An exception of this type was raised; `errno` is that of the system's error behind it."""

    kind: str
    message: str
    errno: int


Request = Open | Read | ReadTimes | Close
Content = Opened | Frames | Times | Failure


class Answer(NamedTuple):
    """What a request gave; `log` holds logger, level and message of what was logged on the way."""

    content: Content
    log: list[tuple[str, int, str]]
