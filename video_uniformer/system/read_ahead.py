"""Things read on another thread, a few of them before they are asked for."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

Place = TypeVar("Place")
Read = TypeVar("Read")
Failed = TypeVar("Failed")


def read_ahead(
    places: Iterable[Place],
    reading: AbstractContextManager[Callable[[Place], Read]],
    *,
    ahead: int,
    failed: Callable[[Place, Exception], Failed],
) -> Generator[Read | Failed, None, None]:
    """Read one thing after the other; they come in their order.

    Close the iterator, or exhaust it, to end the reading.

    Args:
        places: What to read.
        reading: Gives what reads one thing, on a thread of its own. It is left once nothing is to
            be read any more: what hangs then has to come back.
        ahead: How many are read before they are asked for, and so are in memory.
        failed: What to give in place of a thing whose reading raised ValueError or OSError.
    """

    def try_to_read(place: Place) -> Read | Failed:
        try:
            return read(place)
        except (ValueError, OSError) as error:
            return failed(place, error)

    pending: deque[Future[Read | Failed]] = deque()
    with ThreadPoolExecutor(1, "read-ahead") as thread, reading as read:
        try:
            for place in places:
                pending.append(thread.submit(try_to_read, place))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            # Before `reading` is left, which is what ends the wait for a thing that hangs.
            thread.shutdown(wait=False, cancel_futures=True)
