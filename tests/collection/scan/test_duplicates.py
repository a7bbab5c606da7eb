import numpy as np
import pytest

from video_uniformer.collection.scan.duplicates import group_alike, group_equal


def spoil(hashes: np.ndarray, bits: list[int]) -> np.ndarray:
    """Change so many bits of each picture's hash, (5, 8) bytes."""
    spoilt = np.unpackbits(hashes, axis=1)
    for picture, count in zip(spoilt, bits, strict=True):
        picture[np.linspace(0, 63, count, dtype=int)] ^= 1
    return np.packbits(spoilt, axis=1)


def text(hashes: np.ndarray) -> str:
    return ":".join(row.tobytes().hex() for row in hashes)


@pytest.fixture
def others() -> list[np.ndarray]:
    """Hashes of 60 videos that have nothing in common."""
    return list(np.random.default_rng(0).integers(0, 256, (60, 5, 8)).astype(np.uint8))


@pytest.mark.parametrize(
    ("keys", "groups"),
    [
        ("", []),
        ("abc", []),
        ("abcab", [[0, 3], [1, 4]]),
        ("bab", [[0, 2]]),
    ],
)
def test_equal_keys_are_grouped(keys: str, groups: list[list[int]]) -> None:
    assert group_equal(list(keys)) == groups


def test_missing_keys_are_equal_to_none() -> None:
    assert group_equal(["", "", "a"]) == []


def test_videos_with_nothing_in_common_are_not_alike(others: list[np.ndarray]) -> None:
    assert group_alike([text(hashes) for hashes in others]) == []


@pytest.mark.parametrize(
    ("bits", "is_alike"),
    [
        ([0, 0, 0, 0, 0], True),
        ([6, 6, 6, 6, 6], True),
        ([30, 0, 0, 0, 0], True),
        ([30, 1, 0, 0, 0], False),
        ([7, 6, 6, 6, 6], False),
    ],
)
def test_bits_that_differ_decide(others: list[np.ndarray], bits: list[int], is_alike: bool) -> None:
    hashes = [*others, spoil(others[7], bits)]
    assert group_alike([text(one) for one in hashes]) == ([[7, 60]] if is_alike else [])


def test_chain_is_one_group(others: list[np.ndarray]) -> None:
    near = spoil(others[3], [4] * 5)
    far = spoil(near, [0, 9, 0, 9, 2])
    assert group_alike([text(far), *map(text, others), text(near)]) == [[0, 4, 61]]


@pytest.mark.parametrize(("flat", "is_alike"), [(2, True), (3, False)])
def test_flat_pictures_are_no_evidence(others: list[np.ndarray], flat: int, is_alike: bool) -> None:
    known = text(others[0])
    bare = ":".join(["" if k < flat else part for k, part in enumerate(known.split(":"))])
    assert group_alike([known, bare]) == ([[0, 1]] if is_alike else [])


def test_videos_without_a_hash_are_alike_to_none() -> None:
    assert group_alike(["", "", ""]) == []
