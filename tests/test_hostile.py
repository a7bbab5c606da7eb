"""The hostile corpus through the decoders: right frames or one clear error, every file in time."""

import faulthandler
import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from damage import DAMAGES
from hostile import HostileFile, decode, digest, make_corpus

from video_uniformer.data.decoding import Video, VideoError, open_video
from video_uniformer.data.decoding.guard.deadline import DeadlineError, DecodeGuard

pytestmark = pytest.mark.slow

DEADLINE = 10
PASS_SECONDS = 300  # for all files, on a busy machine

Opener = Callable[..., Video]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[HostileFile]:
    return make_corpus(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(autouse=True)
def _end_a_hang(capfd: pytest.CaptureFixture) -> Iterator[None]:
    """End the run if a decoder hangs that no guard watches, and keep what decoders print."""
    faulthandler.dump_traceback_later(PASS_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(params=["directly", "guarded"])
def opener(request: pytest.FixtureRequest) -> Iterator[Opener]:
    if request.param == "directly":
        yield open_video
        return
    with DecodeGuard(DEADLINE) as guard:
        yield guard.open


class Outcome(NamedTuple):
    """What came out of a file: a digest for each frame, None for one that is refused."""

    frames: list[int | None]
    errors: list[Exception]
    salvaged: str = ""


def read(opener: Opener, path: Path, decoder: str = "auto", *, salvage: bool = False) -> Outcome:
    """Read all frames in one go; one by one, from the last, where that is refused."""
    try:
        with opener(path, decoder, salvage=salvage) as video:
            try:
                return Outcome(digests(video, range(len(video))), [], video.salvaged)
            except Exception as error:
                frames, errors = read_singly(video)
                return Outcome(frames, [error, *errors], video.salvaged)
    except Exception as error:
        return Outcome([], [error])


def read_singly(video: Video) -> tuple[list[int | None], list[Exception]]:
    frames: list[int | None] = []
    errors: list[Exception] = []
    for index in reversed(range(len(video))):
        try:
            frames += digests(video, [index])
        except Exception as error:
            frames.append(None)
            errors.append(error)
    return frames[::-1], errors


def digests(video: Video, indices: Sequence[int]) -> list[int | None]:
    return [digest(image.numpy()) for image in video.frames(indices)]


def complaints(file: HostileFile, outcome: Outcome) -> Iterator[str]:
    """What is wrong with what came out of a file."""
    for error in outcome.errors:
        if not str(error).startswith(str(file.path)):
            yield f"the error does not name the file: {error}"
        if not isinstance(error, VideoError) or isinstance(error, DeadlineError):
            yield repr(error)
        if "crash" in str(error):
            yield str(error)
    if not file.is_bad and outcome.frames != list(file.digests):
        yield f"{len(outcome.frames)} frames of a good file, {outcome.errors}"
    # Frames that a decoder makes up differ with what it has decoded before; salvage leaves them.
    if file.is_bad and file.intact == file.playable:
        wrong = [frame for frame in outcome.frames if frame and frame not in file.digests]
        if wrong:
            yield f"{len(wrong)} of {len(outcome.frames)} frames are wrong"


def describe(file: HostileFile, complaint: str) -> str:
    return f"{file.path.name!a} ({file.why!a}): {complaint}"


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_every_file_gives_its_frames_or_an_error_that_names_it(
    decoder: str, opener: Opener, corpus: list[HostileFile]
) -> None:
    found = [
        describe(file, complaint)
        for file in corpus
        for complaint in complaints(file, read(opener, file.path, decoder))
    ]
    assert not found


def test_under_a_guard_no_decoder_conceals_damage(corpus: list[HostileFile]) -> None:
    with DecodeGuard(DEADLINE) as guard:
        found = [
            describe(file, f"frame {index} differs from PyAV's")
            for file in corpus
            for index, frame in enumerate(read(guard.open, file.path, "decord").frames)
            if frame and frame != read_with_pyav(guard, file.path)[index]
        ]
    assert not found


@functools.cache
def read_with_pyav(guard: DecodeGuard, path: Path) -> list[int | None]:
    return read(guard.open, path, "pyav").frames


@pytest.mark.parametrize("decoder", ["decord", "pyav"])
def test_good_files_give_the_same_frames_in_any_order(
    decoder: str, corpus: list[HostileFile]
) -> None:
    with DecodeGuard(DEADLINE) as guard:
        for file in corpus:
            if not file.is_bad:
                with guard.open(file.path, decoder) as video:
                    indices = [*range(len(video) - 1, 0, -7), 0, len(video) // 2]
                    expected = [file.digests[index] for index in indices]
                    assert digests(video, indices) == expected, file
                    assert len(video.times) == len(video)


def test_salvage_gives_intact_frames_only_and_nearly_all(corpus: list[HostileFile]) -> None:
    found, num_intact, num_salvaged = [], 0, 0
    with DecodeGuard(DEADLINE) as guard:
        for file in corpus:
            outcome = read(guard.open, file.path, salvage=True)
            found += [describe(file, complaint) for complaint in complaints(file, outcome)]
            right = sum(frame in file.digests for frame in outcome.frames)
            num_intact, num_salvaged = num_intact + file.intact, num_salvaged + right
            if len(outcome.frames) > right and file.playable:
                found.append(describe(file, "frames that sequential decoding does not give"))
            if right < 0.95 * file.intact - 1:  # one frame is more than 5 % of these short files
                found.append(describe(file, f"{right} of {file.intact} frames are salvaged"))
            if outcome.frames and not file.is_bad and outcome.salvaged:
                found.append(describe(file, f"salvaged though good: {outcome.salvaged}"))
    assert not found
    assert num_salvaged >= 0.95 * num_intact


# The corpus itself


def test_the_corpus_is_large_and_varied(corpus: list[HostileFile]) -> None:
    assert len({file.path for file in corpus}) == len(corpus) >= 200
    assert len({file.kind for file in corpus}) >= 20
    counts = Counter(file.is_bad for file in corpus)
    assert min(counts.values()) >= 80


def test_the_corpus_tells_what_sequential_decoding_gives(corpus: list[HostileFile]) -> None:
    for file in corpus[::10]:
        if file.path.is_file():
            assert decode(file.path).digests == file.digests, file
        assert file.playable == len(file.digests) >= file.intact


def test_damage_is_the_same_every_time(corpus: list[HostileFile]) -> None:
    """Of the same file: encoders do not give the same bytes every time."""
    whole = next(file for file in corpus if file.kind == "whole")
    content = whole.path.read_bytes()
    for count, damage in DAMAGES.values():
        once, again = (
            [damage(content, attempt / count, random) for attempt in range(count)]
            for random in (np.random.default_rng(0), np.random.default_rng(0))
        )
        assert once == again
        assert all(damaged != content for damaged, _ in once)
