"""Videos of high dynamic range are named as such."""

from collections.abc import Callable
from pathlib import Path

import pytest

from video_uniformer.collection.scan.inspection import inspect_file
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
