"""How far `predict` has come."""

from video_uniformer.cli import answer_printing


class Tally:
    """How many files there are, and what became of them so far.

    Attributes:
        total: Files of the command line; None while it is not known.
        words: What they are called.
        done: How many are done.
        failed: Of which so many had no answer.
    """

    def __init__(self) -> None:
        self.total: int | None = None
        self.words = answer_printing.VIDEOS
        self.done, self.failed = 0, 0

    def __str__(self) -> str:
        if self.total is None:
            return "evaluated none"
        return f"evaluated {self.done - self.failed} of {self.total} {self.words.many}"
