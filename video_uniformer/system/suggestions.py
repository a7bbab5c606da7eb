"""The nearest right word for one that is unknown."""

import difflib
from collections.abc import Iterable


def nearest(word: object, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that `word` is most likely a misspelling of, or None.

    Args:
        word: What was given; anything that is no text is told by its `str`.
        known: The right words.
        cutoff: How alike they have to be, 0 to 1.

    Example:
        >>> nearest("decrod", ["decord", "pyav"])
        'decord'
    """
    near = difflib.get_close_matches(str(word), list(known), n=1, cutoff=cutoff)
    return near[0] if near else None


def did_you_mean(word: object, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The end of a message that names the nearest known word; empty if none is near.

    Example:
        >>> did_you_mean("skp", ["raise", "skip"])
        "; did you mean 'skip'?"
    """
    near = nearest(word, known, cutoff=cutoff)
    return f"; did you mean {near!r}?" if near else ""
