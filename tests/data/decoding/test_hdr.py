"""Videos of high dynamic range are named as such, and read as a plain screen shows them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from video_uniformer.collection.scan.inspection import inspect_file
from video_uniformer.data.decoding import open_video
from video_uniformer.data.decoding.colours import Colours, to_plain
from video_uniformer.data.decoding.probe import probe_video

TRANSFERS = {"arib-std-b67": "hlg", "smpte2084": "pq"}


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_probe_and_scan_name_hdr(encode: Callable[..., Path], transfer: str) -> None:
    params = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    path = encode("a.mp4", options={"x264-params": params})
    facts, report = probe_video(path), inspect_file(path)
    assert (facts.transfer, facts.primaries) == (TRANSFERS[transfer], "bt2020")
    assert (report.transfer, report.primaries) == (TRANSFERS[transfer], "bt2020")


def test_other_videos_are_not_called_hdr(encode: Callable[..., Path]) -> None:
    facts = probe_video(encode("a.mp4"))
    assert (facts.transfer, facts.primaries) == ("", "")


# Light of a grey in cd/m2 -> the code values of HLG and PQ (0 to 65535, by the tables of BT.2100 on
# a screen of 1000 cd/m2), and of a plain screen of 100 cd/m2.
GREYS = [
    (0.0, 0, 0, 0),
    (1.0, 6383, 9827, 37),
    (10.0, 16661, 19641, 98),
    (26.0, 24809, 24905, 145),
]


@pytest.mark.parametrize(("light", "hlg", "pq", "expected"), GREYS)
def test_grey_keeps_its_light(light: float, hlg: int, pq: int, expected: int) -> None:
    for transfer, code in (("hlg", hlg), ("pq", pq)):
        for primaries in ("bt2020", ""):
            pixels = to_plain(np.full((1, 1, 3), code, np.uint16), Colours(transfer, primaries))
            assert abs(pixels.astype(int) - expected).max() <= 1


def test_highlights_roll_off_without_a_step() -> None:
    codes = np.arange(0, 65536, 16, dtype=np.uint16)
    ramp = np.repeat(codes[None, :, None], 3, axis=2)
    for transfer in ("hlg", "pq"):
        levels = to_plain(ramp, Colours(transfer, "bt2020"))[0, :, 1].astype(int)
        assert set(np.diff(levels)) <= {0, 1}
        assert levels[-1] == 255


def test_wide_colours_become_more_vivid_and_grey_stays() -> None:
    pixels = np.array([[[40000, 20000, 20000], [30000, 30000, 30000]]], np.uint16)
    plain = to_plain(pixels, Colours("", "bt2020"))[0].astype(int)
    assert plain[0, 0] > 40000 // 257
    assert plain[0, 1] < 20000 // 257
    assert abs(plain[1] - 30000 // 257).max() <= 1


def test_hdr_recording_comes_near_its_plain_version(shared_data: Path) -> None:
    faults = shared_data.parent / "faults"
    with open_video(faults / "hlg.mov") as hdr, open_video(faults / "sdr.mp4") as plain:
        difference = (hdr.frames([0, 3]).int() - plain.frames([0, 3]).int()).abs().float()
    assert difference.mean() < 8  # about 50 where it is read as any other video
    assert difference.median() < 3


HDR_8_BIT = [
    ("libx264", {"x264-params": "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"}),
    ("libx264", {"x264-params": "sar=1000/999:overscan=show:transfer=smpte2084"}),
    ("libx264", {"x264-params": "colorprim=bt2020:transfer=bt2020-10:colormatrix=bt2020nc"}),
    ("libx265", {"x265-params": "transfer=arib-std-b67:colorprim=bt2020:log-level=none"}),
]


@pytest.mark.parametrize(("codec", "options"), HDR_8_BIT)
def test_hdr_of_8_bits_is_read_alike_with_every_decoder(
    codec: str, options: dict[str, str], encode: Callable[..., Path]
) -> None:
    path = encode("a.mp4", codec=codec, options=options)
    with open_video(path, "decord") as video, open_video(path) as expected:
        assert video.choice.startswith("decord is passed over for mp4 files that are interlaced, H")
        assert video.frames([0, 20]).equal(expected.frames([0, 20]))


@pytest.mark.parametrize(
    "told",
    [
        "colorprim=bt709:transfer=bt709:colormatrix=bt709",
        "sar=12/11:overscan=crop:videoformat=pal:fullrange=off",
        "sar=1000/999:transfer=bt470m",
    ],
)
def test_plain_colours_stay_with_decord(told: str, encode: Callable[..., Path]) -> None:
    pytest.importorskip("decord")
    path = encode("a.mp4", size=(96, 66), options={"x264-params": told})
    with open_video(path, "decord") as video:
        assert video.decoder == "decord"


def test_colours_that_the_container_alone_tells_are_seen(encode: Callable[..., Path]) -> None:
    pytest.importorskip("decord")
    colours = {"x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709"}
    path = encode("a.mp4", options=colours, container_options={"movflags": "+write_colr"})
    content = path.read_bytes()
    start = content.index(b"colrnclx") + 8  # primaries, transfer, matrix: 16 bits each
    with open_video(path, "decord") as video:
        assert video.decoder == "decord"
    path.write_bytes(content[: start + 2] + b"\0\x12" + content[start + 4 :])
    with open_video(path, "decord") as video:
        assert video.decoder == "pyav"
