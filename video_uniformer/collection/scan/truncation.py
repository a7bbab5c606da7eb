"""Whether a file holds all that it speaks of, where decoding what is there does not tell."""

from pathlib import Path

import av
import numpy as np

from video_uniformer.data.decoding.streams import open_container, prepare_stream

# Their headers say how long they are meant to be; others are measured by what there is.
_STATE_DURATION = ("matroska", "flv", "avi")
_ROUNDING_FRAMES = 2.5
_SYNC_BYTE = 0x47
_TRANSPORT_PACKETS = ((188, 0), (192, 4), (204, 0))  # bytes, and where in them the mark is
_FLV_HEADER, _FLV_TAG = 13, 11  # bytes


def missing_seconds(path: Path, num_frames: int) -> float:
    """Seconds of video that a file speaks of and does not hold; 0 if none are known to be missing.

    Where the container states how long it is meant to be, that is compared with the end of its last
    packet. Where its parts do not follow one another as they should, the time from the first packet
    to the last is compared with what its frames fill; a sound file may well be longer than that, as
    frames that came before its first key frame are never shown.

    Args:
        path: The file.
        num_frames: Playable frames.

    Raises:
        VideoError: The file is unreadable.
    """
    with open_container(path) as container:
        stream = prepare_stream(container, path)
        frame_seconds = float(1 / (stream.average_rate or stream.guessed_rate or 1))
        stated = (container.duration or 0) / av.time_base
        kind = container.format.name
    held = stated
    if kind.startswith(_STATE_DURATION):
        held = _last_end(path)
    if (kind == "mpegts" and not _is_whole_transport_stream(path)) or (
        kind == "flv" and not _is_whole_flv(path)
    ):
        held = min(held, num_frames * frame_seconds)
    return stated - held if stated - held > _ROUNDING_FRAMES * frame_seconds else 0.0


def _last_end(path: Path) -> float:
    """Time at which the last packet of any stream ends, seconds."""
    end = 0.0
    with open_container(path) as container:
        try:
            for packet in container.demux():
                if packet.pts is not None and packet.time_base is not None:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        except Exception:  # decoding has told what it is
            return end
    return end


def _is_whole_transport_stream(path: Path) -> bool:
    """Whether it consists of whole packets, each with its mark.

    Source: ISO/IEC 13818-1, "Transport Stream packet layer", sync_byte.
    """
    content = np.memmap(path, np.uint8, "r")
    return any(
        len(content) % size == 0 and bool((content[mark::size] == _SYNC_BYTE).all())
        for size, mark in _TRANSPORT_PACKETS
    )


def _is_whole_flv(path: Path) -> bool:
    """Whether each tag is followed by its own size, up to the end of the file.

    Source: Adobe Flash Video File Format Specification, "FLV file body".
    """
    end = path.stat().st_size
    place = _FLV_HEADER
    with path.open("rb") as file:
        while place < end:
            file.seek(place)
            size = _FLV_TAG + int.from_bytes(file.read(4)[1:], "big")
            file.seek(place + size)
            if int.from_bytes(file.read(4), "big") != size:
                return False
            place += size + 4
    return place == end
