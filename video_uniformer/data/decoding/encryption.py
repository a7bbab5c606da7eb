"""Whether a file's video is encrypted, told from its header or its first packets.

FFmpeg opens such files and takes the frames for damaged ones.

Sources: ISO/IEC 14496-12 section 8.12 and 23001-7, sample entry `encv`, and `drmi` of the iTunes
Store; RFC 9559 section 5.1.4.1.31, ContentEncodings; ITU-T H.222.0 section 2.4.3.3,
transport_scrambling_control.
"""

import re
from pathlib import Path

from video_uniformer.data.decoding.mp4 import has_encrypted_entry
from video_uniformer.data.decoding.transport import is_scrambled

_HEAD_BYTES = 1 << 16
_CLUSTER = b"\x1f\x43\xb6\x75"  # frames begin here
# ContentEncodings, its size, ContentEncoding; and ContentEncryption not far behind.
_ENCRYPTION = re.compile(rb"\x6d\x80.{1,8}?\x62\x40.{0,40}?\x50\x35", re.DOTALL)


def is_encrypted(path: Path, container: str, stream_id: int = 0) -> bool:
    """Whether the video can only be seen with a key; false where that cannot be told.

    Args:
        path: The file.
        container: FFmpeg's name of its format.
        stream_id: The container's number of the video stream.
    """
    if container.startswith("mov,"):
        return has_encrypted_entry(path)
    if container.startswith("matroska"):
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        return bool(_ENCRYPTION.search(head.partition(_CLUSTER)[0]))
    return container == "mpegts" and is_scrambled(path, stream_id)
