import pytest

from video_uniformer.system.printable import show_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [("plain.mp4", "plain.mp4"), ("a\nb", "a\\nb"), ("caf\udce9", "caf\\xe9"), ("é", "é")],
)
def test_any_name_is_one_printable_line(name: str, shown: str) -> None:
    assert show_name(name) == shown
