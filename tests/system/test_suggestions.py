import pytest

from video_uniformer.system.suggestions import did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "expected"), [("decrod", "decord"), ("pyva", "pyav"), (None, None), (12, None)]
)
def test_nearest_known_word_is_found(word: object, expected: str | None) -> None:
    assert nearest(word, ("decord", "pyav")) == expected


def test_message_ends_with_the_nearest_word_or_with_nothing() -> None:
    assert did_you_mean("skp", ("raise", "skip")) == "; did you mean 'skip'?"
    assert did_you_mean("quite other", ("raise", "skip")) == ""
