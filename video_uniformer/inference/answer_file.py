"""Answers in a file that grows one by one, and that a run which was cut off goes on with.

A `.jsonl` file holds one object a sample; a `.csv` file one row for each sample and class, best
class first, and one row for a sample without an answer. Either says in every line by which
`settings` it was made: answers of two checkpoints do not mix.
"""

import contextlib
import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

COLUMNS = ("path", "rank", "class", "probability", "error", "salvaged", "sheet", "settings")
SUFFIXES = (".csv", ".jsonl")


class _Entry(NamedTuple):
    """A line of a file: its sample, the byte behind it, and whether it ends an answer."""

    path: str
    is_failure: bool
    settings: str
    end: int
    is_whole: bool = True


class AnswerFile:
    """A file that answers are added to, each whole.

    A process that is killed at any moment loses the answer that it was writing and no other; the
    rest of that one is dropped when the file is next opened.

    Args:
        path: A `.csv` or `.jsonl` file; made, with its folder, if it is not there.
        settings: What the answers depend on, as a short text.
        num_ranks: Classes in each answer.
        existing: What to do with a file that is there: "refuse", "resume" or "replace" it.

    Attributes:
        done: How often each sample is in the file, by its path as given.
        failed: The same for those without an answer.

    Raises:
        ValueError: The suffix is another; the file exists and is to be refused, or cannot be
            written; what is to be resumed are no answers, or those of other settings.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "answers.jsonl"
        >>> with AnswerFile(path, settings="a", num_ranks=1) as file:
        ...     file.add({"path": "a.mp4", "top": [{"class": "sit", "probability": 0.75}]})
        >>> with AnswerFile(path, settings="a", num_ranks=1, existing="resume") as file:
        ...     dict(file.done)
        {'a.mp4': 1}
    """

    def __init__(
        self, path: str | Path, *, settings: str, num_ranks: int, existing: str = "refuse"
    ) -> None:
        self.path = check_path(path, existing)
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self._settings, self._num_ranks = settings, num_ranks
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._end = self._take_in() if existing == "resume" and self.path.exists() else 0
            # Unbuffered, so that an answer is one write.
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise self._unwritable(error) from error
        self._cut_off()
        if self._end == 0 and self.path.suffix == ".csv":
            self._write(_as_csv([COLUMNS]))

    def add(self, answer: Mapping[str, Any]) -> None:
        """Add the answer for a video or picture.

        Args:
            answer: `path`, and either `top`, a list of {"class", "probability"}, or `error`;
                `salvaged` and `sheet` where there is something to say.

        Raises:
            ValueError: The file cannot be written.
        """
        said = {**answer, "settings": self._settings}
        if self.path.suffix == ".csv":
            self._write(_as_csv(_rows(said)))
        else:
            self._write(f"{json.dumps(said)}\n".encode())

    def close(self) -> None:
        """Give back the file."""
        self._file.close()

    def _take_in(self) -> int:
        """Note what is done; the byte behind the last whole answer."""
        end = 0
        with self.path.open("rb") as file:
            if self.path.suffix == ".csv":
                entries = _read_csv(self.path, file, self._num_ranks)
            else:
                entries = _read_json(self.path, file)
            for entry in entries:
                self._check_settings(entry)
                if entry.is_whole:
                    self.done[entry.path] += 1
                    self.failed[entry.path] += entry.is_failure
                    end = entry.end
        return end

    def _check_settings(self, entry: _Entry) -> None:
        if entry.settings != self._settings:
            raise ValueError(
                f"{self.path} holds answers with settings {entry.settings!r}, expected "
                f"{self._settings!r}: another checkpoint, input or list of classes made it, or "
                "other options that change answers"
            )

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._cut_off()
            raise self._unwritable(error) from error
        self._end += len(content)

    def _cut_off(self) -> None:
        """Drop what stands behind the last whole answer."""
        with contextlib.suppress(OSError):
            os.truncate(self._file.fileno(), self._end)

    def _unwritable(self, error: OSError) -> ValueError:
        return ValueError(
            f"{self.path} cannot be written ({error.strerror}), expected a file of one's own"
        )

    def __enter__(self) -> "AnswerFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def check_path(path: str | Path, existing: str = "refuse") -> Path:
    """The path, if a file of answers may be written there; see `AnswerFile`.

    Raises:
        ValueError: It may not.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"output is {path}, expected a file that ends in .csv or .jsonl")
    if existing == "refuse" and path.exists():
        raise ValueError(
            f"output is {path}, which exists, expected a new file, --resume to go on with it, or "
            "--force to replace it"
        )
    return path


def _rows(answer: Mapping[str, Any]) -> Iterator[list[object]]:
    for rank, best in enumerate(answer.get("top", [{}]), 1):
        row = {**answer, **best, "rank": rank if best else ""}
        yield [row.get(column, "") for column in COLUMNS]


def _as_csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="surrogateescape")  # names in any bytes


class _WholeLines:
    """The lines of a file without one that lacks its end; `end` is the byte behind the last."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.end = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._file:
            if not line.endswith(b"\n"):  # torn
                return
            self.end += len(line)
            yield line


def _read_json(path: Path, file: BinaryIO) -> Iterator[_Entry]:
    lines = _WholeLines(file)
    for number, line in enumerate(lines, 1):
        try:
            answer = json.loads(line)
            yield _Entry(answer["path"], "error" in answer, answer["settings"], lines.end)
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"{path}, line {number}, is no answer, expected what predict has written"
            ) from None


def _read_csv(path: Path, file: BinaryIO, num_ranks: int) -> Iterator[_Entry]:
    lines = _WholeLines(file)
    rows = csv.reader(line.decode(errors="surrogateescape") for line in lines)
    header = next(rows, list(COLUMNS))
    if tuple(header) != COLUMNS:
        raise ValueError(
            f"{path} begins with {','.join(header)!r}, expected the columns {','.join(COLUMNS)}"
        )
    for row in rows:
        if len(row) != len(COLUMNS):
            if next(rows, None) is None:  # torn where a name holds a line break
                return
            raise ValueError(f"{path}: a row is {row}, expected {len(COLUMNS)} columns")
        said = dict(zip(COLUMNS, row, strict=True))
        is_whole = bool(said["error"]) or said["rank"] == str(num_ranks)
        yield _Entry(said["path"], bool(said["error"]), said["settings"], lines.end, is_whole)
