"""Videos that are there more than once: byte for byte, or to the eye."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from video_uniformer.collection.scan.pictures import HASH_BYTES, NUM_PICTURES

MAX_DISTANCE = 6.0
"""Bits of 64, on average over the pictures, by which hashes of alike videos differ at most."""

_FEWEST_PICTURES = 3  # that tell something in both videos

Hashes = npt.NDArray[np.uint8]


def group_equal(keys: Sequence[Hashable]) -> list[list[int]]:
    """Group the places of equal keys; keys that are false are in no group.

    Returns:
        Groups of two and more, by first place.
    """
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(keys):
        if key:
            places.setdefault(key, []).append(place)
    return [group for group in places.values() if len(group) > 1]


def group_alike(hashes: Sequence[str], max_distance: float = MAX_DISTANCE) -> list[list[int]]:
    """Group the places of perceptual hashes that are near each other.

    All pairs within the distance are found, although only pairs with two equal bytes in equal
    places are compared: of the pictures at least one differs in at most the mean, `max_distance`
    bits. In the worst case each of six bits falls into another byte, and two bytes stay equal:

        one     3c 7e 18 00 ff a5 81 42
        other   3d 7c 1c 08 ef 85 81 42        a bit each in the first six bytes
                                ^^^^^ the key (bytes 6 and 7) under which the two meet

    A seventh bit could leave a single equal byte, and the pair would not be met.

    Args:
        hashes: As `hash_pictures` makes them; empty ones are in no group.
        max_distance: Bits per picture; pictures that tell nothing in one of two videos are not
            compared. Whole numbers up to 6 find all pairs.

    Returns:
        Groups of two and more, by first place; each holds its pairs, and pairs of pairs.
    """
    known = [place for place, text in enumerate(hashes) if text]
    values, valid = _parse([hashes[place] for place in known])
    group_of = list(range(len(known)))

    def leader(place: int) -> int:
        while group_of[place] != place:
            group_of[place] = place = group_of[group_of[place]]
        return place

    for a, b in _candidates(values, valid):
        near = _distances(values, valid, a, b) <= max_distance
        for one, other in zip(a[near].tolist(), b[near].tolist(), strict=True):
            first, second = sorted((leader(one), leader(other)))
            group_of[second] = first
    groups: dict[int, list[int]] = {}
    for place in range(len(known)):
        groups.setdefault(leader(place), []).append(known[place])
    return [group for group in groups.values() if len(group) > 1]


def _parse(hashes: Iterable[str]) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """Bytes (N, pictures, 8), and which pictures tell something (N, pictures)."""
    rows = [text.split(":") for text in hashes]
    blank = "0" * (2 * HASH_BYTES)
    content = bytes.fromhex("".join(part or blank for row in rows for part in row))
    values = np.frombuffer(content, np.uint8).reshape(len(rows), NUM_PICTURES, HASH_BYTES)
    valid = np.array([[bool(part) for part in row] for row in rows]).reshape(values.shape[:2])
    return values, valid


def _candidates(
    values: Hashes, valid: npt.NDArray[np.bool_]
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Pairs of videos of which one picture has two equal bytes in equal places."""
    for picture in range(NUM_PICTURES):
        (videos,) = np.nonzero(valid[:, picture])
        for one, other in combinations(range(HASH_BYTES), 2):
            keys = values[videos, picture, one] * np.uint16(256) + values[videos, picture, other]
            order = np.argsort(keys, kind="stable")
            ranked = keys[order]
            for step in range(1, len(ranked)):
                (same,) = np.nonzero(ranked[step:] == ranked[:-step])
                if not len(same):
                    break
                yield videos[order[same]], videos[order[same + step]]


def _distances(
    values: Hashes,
    valid: npt.NDArray[np.bool_],
    a: npt.NDArray[np.intp],
    b: npt.NDArray[np.intp],
) -> npt.NDArray[np.float64]:
    """Mean number of bits (P) in which the pictures of pairs differ; infinite for too few."""
    bits = np.unpackbits(values[a] ^ values[b], axis=2).sum(2)  # (P, pictures)
    both = valid[a] & valid[b]
    count = both.sum(1)
    mean = (bits * both).sum(1) / np.maximum(count, 1)
    return np.where(count >= _FEWEST_PICTURES, mean, np.inf)
