"""Who answers a signal, and who ends with whom, where several processes belong together."""

import ctypes
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# What tells a program to end: a terminal, a scheduler or a person sends these, often to a whole
# group of processes, of which one decides for all. Those that the system knows: Windows lacks some.
TO_GROUP = tuple(
    number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
)


def die_with_parent(parent: int) -> None:
    """Have the system kill this process when its parent ends, however that ends (on Linux).

    Args:
        parent: The parent's process number; if that has ended already, so does this process, now.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be said
        os._exit(0)


def ignore_group_signals() -> None:
    """Ignore what is sent to a whole group of processes; the parent decides."""
    for number in TO_GROUP:
        signal.signal(number, signal.SIG_IGN)


def obey_parent_alone(parent: int) -> None:
    """Ignore what is sent to a whole group, but end at a SIGTERM that the parent itself sends.

    For loader workers, which the parent ends so where they do not end by themselves. A thread waits
    for the signal, since only who waits is told the sender; where the system cannot tell (other
    than Linux), SIGTERM keeps its meaning.

    Args:
        parent: The parent's process number.
    """
    for number in TO_GROUP:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    if sys.platform != "linux":
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_when_told, args=(parent,), daemon=True).start()


def _end_when_told(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
