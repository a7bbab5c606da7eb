"""More than 200 awkward video files, made on the spot, and what is to be got out of each.

The truth is what decoding from start to end with PyAV gives; for a damaged file it is compared with
that of the file before the damage. A file is bad if frames are missing or altered and something
tells: an error, a mark of the decoder, or a container that promises more. Damage that leaves every
frame as it was is harmless, and so is an end that is missing without a trace. Damage that alters
frames and that nothing tells of is not in the corpus, as it says nothing about a program.
"""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.stream import Disposition
from damage import DAMAGES
from hostile_sources import (
    FPS,
    HEIGHT,
    LINKS,
    ODD_NAMES,
    WIDTH,
    copy_packets,
    encode,
    picture,
    write_impostors,
    write_sound,
    write_two_videos,
    write_whole_files,
)
from mp4_boxes import EDITS, HARMS
from PIL import Image

from video_uniformer.data.decoding.orientation import orientation_of

_ROUNDING = 2  # frames by which containers are off that store a duration


@dataclass(frozen=True)
class HostileFile:
    """An awkward file and the truth about it.

    Attributes:
        path: The file, or what stands in its place.
        kind: How it was made, in a word or two.
        playable: Frames that decoding from the start gives, packets that fail being left out.
        is_bad: Frames are missing or altered and something tells, or it is no video.
        why: The details.
        intact: How many of the playable frames are as they were before the damage.
        digests: `digest` of each playable frame.
    """

    path: Path
    kind: str
    playable: int
    is_bad: bool
    why: str
    intact: int
    digests: tuple[int, ...]


class Decoded(NamedTuple):
    """What decoding from start to end gives.

    Attributes:
        digests: `digest` of each frame.
        problem: The first error or mark of damage; empty if there is none.
        promised: Frames that the container speaks of; 0 where it does not.
    """

    digests: tuple[int, ...]
    problem: str
    promised: int


def digest(image: np.ndarray) -> int:
    """Checksum of an upright RGB picture (H, W, 3), uint8."""
    return zlib.crc32(np.ascontiguousarray(image))


def decode(path: Path, *, is_strict: bool = False) -> Decoded:
    """Decode a file from start to end, leaving out packets that fail.

    Args:
        path: The file.
        is_strict: Have the decoder refuse what it would conceal otherwise.
    """
    digests: list[int] = []
    problems: list[str] = []
    promised = 0
    try:
        with av.open(f"file:{path}", metadata_errors="ignore") as container:
            videos = [
                s for s in container.streams.video if not s.disposition & Disposition.attached_pic
            ]
            best = container.streams.best("video")
            stream = best if best in videos else videos[0]
            promised = stream.frames or round((container.duration or 0) * FPS / av.time_base)
            stream.codec_context.options = {"err_detect": "explode"} if is_strict else {}
            stream.thread_type = "NONE"
            for frame in _decode_packets(container, stream, problems):
                image = orientation_of(frame).apply(frame.to_ndarray(format="rgb24"))
                digests.append(digest(image))
    except Exception as error:
        problems.append(str(error) or type(error).__name__)
    return Decoded(tuple(digests), "".join(problems[:1]), promised)


def _decode_packets(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    problems: list[str],
) -> Iterator[av.VideoFrame]:
    for packet in _read_packets(container, stream, problems):
        if packet and packet.is_corrupt:
            problems.append("a packet is marked as corrupt")
        try:
            yield from stream.codec_context.decode(packet)
        except av.error.FFmpegError as error:
            problems.append(str(error))


def _read_packets(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    problems: list[str],
) -> Iterator[av.Packet | None]:
    """All packets that can be read, then None, which has the decoder give what it holds back."""
    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except av.error.FFmpegError as error:
        problems.append(str(error))
    yield None


class _Draft(NamedTuple):
    """A file to be described."""

    path: Path
    kind: str
    why: str
    whole: HostileFile | None = None  # the file before the damage


def make_corpus(folder: Path, seed: int = 0) -> list[HostileFile]:
    """Write the files and find out the truth about them; takes some ten seconds.

    Args:
        folder: Where they go; it is to be empty.
        seed: Chooses where damage falls.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = write_whole_files(folder)
    whole = {name: _describe(_Draft(path, "whole", name)) for name, path in paths.items()}
    drafts = [*_odd_videos(folder, paths), *_edited_videos(folder, whole["a.mp4"])]
    corpus = [*whole.values(), *map(_describe, drafts)]
    for name in _DAMAGED:
        corpus += _damaged_videos(whole[name], np.random.default_rng([seed, *name.encode()]))
    corpus += [_no_video(path, kind, kind) for path, kind in write_impostors(folder, paths)]
    corpus += _odd_places(folder, whole["a.mp4"])
    return [file for file in corpus if file]


def _describe(draft: _Draft) -> HostileFile | None:
    """Find out the truth; None where damage alters frames and nothing tells."""
    usual = decode(draft.path)
    before = draft.whole.digests if draft.whole else usual.digests
    is_altered = usual.digests != before or not before
    intact = sum(found in set(before) for found in usual.digests)
    is_told = bool(usual.problem) or not usual.digests
    if is_altered and not is_told:
        strict = decode(draft.path, is_strict=True)
        is_short = usual.promised > len(usual.digests) + _ROUNDING
        is_told = is_short or bool(strict.problem) or strict.digests != usual.digests
    is_end_missing = usual.digests == before[: len(usual.digests)]
    if is_told != is_altered and not (is_altered and is_end_missing):
        return None
    why = (
        f"{draft.why}: {len(usual.digests)} frames, {intact} intact, {usual.problem or 'no error'}"
    )
    return HostileFile(
        draft.path,
        draft.kind,
        len(usual.digests),
        is_altered and is_told,
        why,
        intact,
        usual.digests,
    )


def _no_video(path: Path, kind: str, why: str) -> HostileFile:
    return HostileFile(path, kind, 0, True, why, 0, ())


def _damaged_videos(whole: HostileFile, random: np.random.Generator) -> Iterator[HostileFile]:
    """Cut, flipped, overwritten: of each kind of damage so many that are told or harmless."""
    content = whole.path.read_bytes()
    for kind, (count, damage) in DAMAGES.items():
        found = 0
        for attempt in range(3 * count):
            damaged, why = damage(content, attempt / count, random)
            path = whole.path.with_name(f"{kind.replace(' ', '_')}_{attempt}_{whole.path.name}")
            path.write_bytes(damaged)
            file = _describe(_Draft(path, kind, why, whole))
            if file is None:
                path.unlink()
                continue
            yield file
            found += 1
            if found == count:
                break


_DAMAGED = (
    "a.mp4",
    "index_in_front.mp4",
    "fragmented.mp4",
    "no_b_frames.mp4",
    "hevc.mp4",
    "a.mkv",
    "a.ts",
    "a.avi",
    "a.webm",
    "a.flv",
)


def _odd_videos(folder: Path, paths: dict[str, Path]) -> Iterator[_Draft]:
    """Cuts without decoding, several streams, sound beside the video, no frames."""
    copies = {
        "cut_shown_from_frame_17.mp4": ("a.mp4", 12, 17),
        "cut_shown_from_frame_29.mp4": ("one_key_frame.mp4", 0, 25),
        "cut_shown_from_frame_17_open.mp4": ("open_groups.mp4", 12, 17),
        "cut_before_key_frame.mp4": ("a.mp4", 5, None),
        "cut_before_key_frame.mkv": ("a.mkv", 5, None),
        "cut_before_key_frame.ts": ("a.ts", 5, None),
        "cut_open_group.mkv": ("open_groups.mkv", 12, None),
        "cut_at_key_frame.ts": ("a.ts", 12, None),
        "copied_to.mkv": ("a.mp4", 0, None),
        "copied_to.mp4": ("a.mkv", 0, None),
        "copied_to.ts": ("hevc.ts", 0, None),
    }
    for name, (source, first, zero) in copies.items():
        path = copy_packets(paths[source], folder / name, first=first, zero=zero)
        yield _Draft(
            path, "stream copy", f"{source} from packet {first}, frame {zero} at time zero"
        )
    # Nothing that it builds on is left of the only group of pictures.
    path = copy_packets(paths["one_key_frame.mp4"], folder / "no_key_frame.mp4", first=9)
    yield _Draft(path, "no key frame", "one_key_frame.mp4 without its key frame")
    for name in ("two_streams.mp4", "two_streams.mkv"):
        path = write_two_videos(folder / name, ((WIDTH, HEIGHT), (96, 64)))
        yield _Draft(path, "several streams", "two videos, the better one second")
    for name in ("with_sound.mp4", "with_sound.mkv"):
        yield _Draft(write_sound(folder / name, "aac", video=True), "sound", "sound beside a video")
    for name in ("no_frame.mp4", "no_frame.mkv"):
        yield _Draft(encode(folder / name, num_frames=0), "no frame", "a stream without frames")


def _edited_videos(folder: Path, whole: HostileFile) -> Iterator[_Draft]:
    content = whole.path.read_bytes()
    for name, edit in EDITS.items():
        path = folder / f"{name.replace(' ', '_').replace(',', '')}.mp4"
        path.write_bytes(edit(content))
        yield _Draft(path, "edited index", name)
    for name, harm in HARMS.items():
        path = folder / f"{name.replace(' ', '_').replace(',', '')}.mp4"
        path.write_bytes(harm(content))
        yield _Draft(path, "harmed index", name, whole)


def _odd_places(folder: Path, whole: HostileFile) -> Iterator[HostileFile]:
    """Good files under odd names, and what stands where a file should."""
    content = whole.path.read_bytes()
    places = folder / "names"
    places.mkdir()
    for name in ODD_NAMES:
        path = places / os.fsdecode(name)
        path.write_bytes(content)
        yield replace(whole, path=path, kind="odd name", why=repr(name))
    locked = folder / "locked.mp4"
    locked.write_bytes(content)
    locked.chmod(0)
    if os.access(locked, os.R_OK):  # as the super-user
        yield replace(
            whole, path=locked, kind="unreadable", why="without permissions, yet readable"
        )
    else:
        yield _no_video(locked, "unreadable", "without permissions")
    link = folder / "link.mp4"
    link.symlink_to(whole.path)
    yield replace(whole, path=link, kind="link", why="a link to a good file")
    for name, target in LINKS.items():
        path = folder / name
        path.symlink_to(target)
        yield _no_video(path, "link", f"a link to {target}")
    pipe = folder / "pipe.mp4"
    os.mkfifo(pipe)
    yield _no_video(pipe, "pipe", "a named pipe that nobody writes to")
    yield _no_video(folder / "missing.mp4", "missing", "not there")
    yield _no_video(whole.path / "a.mp4", "missing", "a path through a file")
    yield _no_video(places, "folder", "a folder of videos")
    pictures = folder / "pictures.mp4"
    pictures.mkdir()
    yield _no_video(pictures / "x", "missing", "not in the folder")
    images = [picture(index, WIDTH, HEIGHT) for index in range(3)]
    for index, image in enumerate(images):
        Image.fromarray(image).save(pictures / f"{index}.png")
    digests = tuple(map(digest, images))
    yield HostileFile(pictures, "folder", 3, False, "three pictures", 3, digests)
