"""Damage to a file's bytes, as failing disks and broken transfers do it."""

from collections.abc import Callable

import numpy as np

# Content, a share from 0 on that rises from try to try, and chance -> content and what was done.
Damage = Callable[[bytes, float, np.random.Generator], tuple[bytes, str]]


def _cut(content: bytes, share: float, random: np.random.Generator) -> tuple[bytes, str]:
    kept = max(20, round(len(content) * (0.02 + share % 1 + random.uniform(0, 0.1))))
    kept = min(kept, len(content) - 1)
    return content[:kept], f"cut after {kept} of {len(content)} bytes"


def _flip(content: bytes, share: float, random: np.random.Generator) -> tuple[bytes, str]:
    damaged = bytearray(content)
    (place,) = random.integers(len(content), size=1)
    damaged[place] ^= 1 << random.integers(8)
    return bytes(damaged), f"a bit flipped at byte {place}"


def _flip_many(content: bytes, share: float, random: np.random.Generator) -> tuple[bytes, str]:
    damaged = bytearray(content)
    places = sorted(random.integers(len(content), size=8).tolist())
    for place in places:
        damaged[place] ^= 1 << random.integers(8)
    return bytes(damaged), f"bits flipped at bytes {places}"


def _zero_run(content: bytes, share: float, random: np.random.Generator) -> tuple[bytes, str]:
    start = random.integers(len(content) - 400)
    zeroed = content[:start] + bytes(400) + content[start + 400 :]
    return zeroed, f"400 bytes zeroed from {start}"


def _zero_tail(content: bytes, share: float, random: np.random.Generator) -> tuple[bytes, str]:
    kept = round(len(content) * (0.2 + 0.7 * (share % 1)))
    return content[:kept].ljust(len(content), b"\0"), f"zeros after {kept} bytes"


def _add_tail(content: bytes, share: float, random: np.random.Generator) -> tuple[bytes, str]:
    return content + random.bytes(3000), "3000 bytes of noise appended"


# Name -> how many files of each kind of video are wanted, and how they are made.
DAMAGES: dict[str, tuple[int, Damage]] = {
    "cut": (7, _cut),
    "bit flip": (2, _flip),
    "bit flips": (3, _flip_many),
    "zero run": (3, _zero_run),
    "zero tail": (2, _zero_tail),
    "noise tail": (1, _add_tail),
}
