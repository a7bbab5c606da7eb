"""Things are read ahead in their order, and the reading ends when nobody asks any more."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext

from video_uniformer.system.read_ahead import read_ahead


def read(place: int) -> str:
    if place == 2:
        raise ValueError("no two")
    return str(place)


def test_failures_stand_in_their_place() -> None:
    found = read_ahead(range(4), nullcontext(read), ahead=2, failed=lambda p, e: (p, str(e)))
    assert list(found) == ["0", "1", (2, "no two"), "3"]


def test_leaving_frees_a_read_that_hangs() -> None:
    freed = threading.Event()

    @contextmanager
    def hanging() -> Iterator[Callable[[int], str]]:
        try:
            yield lambda place: "" if place == 0 else str(freed.wait(60))
        finally:
            freed.set()

    with closing(read_ahead(range(3), hanging(), ahead=2, failed=lambda p, e: "")) as found:
        assert next(found) == ""
    assert freed.is_set()
