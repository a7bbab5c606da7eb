"""The logs of a training: whatever interrupted it, they go on; where they cannot, one line says so.

TensorBoard and Lightning's CSV logger name no file when the disk is full, fail a second time while
the training ends, and leave a file half rewritten.
"""

import csv
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only

from video_uniformer.system.atomic import replacing_file

Row = dict[str, str]


class CSVLog(CSVLogger):
    """Lightning's CSV logger, which goes on with the file of the training that is resumed.

    Args:
        save_dir: Folder of the run.
        name: Folder in it; the file is `version_0/metrics.csv` there, or of the next version where
            a training that is not resumed finds an earlier one's.
        keep_rows: Rows of the latest version that were there when the checkpoint was saved; what
            follows them is logged anew. None starts a new file.
        flush_logs_every_n_steps: Steps between two writings; a checkpoint has all rows written.

    Attributes:
        num_rows: Rows that were logged, those that are kept among them.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(
        self,
        save_dir: str | Path,
        *,
        name: str = "csv",
        keep_rows: int | None = None,
        flush_logs_every_n_steps: int = 100,
    ) -> None:
        super().__init__(save_dir, name=name, flush_logs_every_n_steps=flush_logs_every_n_steps)
        self._kept: list[Row] = []
        self._has_failed = False
        self._last_row: dict[str, Any] = {}
        latest = self._get_next_version() - 1
        if keep_rows is not None and latest >= 0:
            self._version = latest
            self._kept = _read_rows(self._file)[:keep_rows]
        self.num_rows = len(self._kept)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer, which begins with the rows that are kept."""
        if self._experiment is None:
            with self._naming_file():
                self._experiment = _CSVWriter(self.log_dir, self._kept)
        return self._experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log a row, if it is not the last one again: a step that is saved is logged before."""
        row = {**metrics, "step": step}
        if row == self._last_row:
            return
        self._last_row = row
        self.num_rows += 1
        super().log_metrics(dict(metrics), step)

    @rank_zero_only
    def save(self) -> None:
        """Write what is not written."""
        with self._naming_file():
            super().save()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is not written, unless that has failed before."""
        if not self._has_failed:
            with _as_far_as_possible(status):
                super().finalize(status)

    @property
    def _file(self) -> Path:
        return Path(self.log_dir) / ExperimentWriter.NAME_METRICS_FILE

    @contextmanager
    def _naming_file(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._has_failed = True
            raise _cannot_write(self._file, error) from error


class TensorBoardLog(TensorBoardLogger):
    """Lightning's TensorBoard logger, which says what it cannot write, and in one line.

    Takes what that one takes.

    Raises:
        OSError: the events cannot be written.
    """

    _has_failed = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """TensorBoard's writer."""
        if self._experiment is None:
            threading.excepthook = _without_tensorboard
            with self._naming_folder():
                return super().experiment
        return self._experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log values."""
        with self._naming_folder():
            super().log_metrics(metrics, step)

    @rank_zero_only
    def save(self) -> None:
        """Write what is not written."""
        with self._naming_folder():
            super().save()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is not written, unless that has failed before."""
        if not self._has_failed:
            with _as_far_as_possible(status), self._naming_folder():
                super().finalize(status)

    @contextmanager
    def _naming_folder(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            # Lightning takes whatever TensorBoard raises for a value of a wrong kind.
            cause = error if isinstance(error, OSError) else error.__cause__
            if self._has_failed or not isinstance(cause, OSError):
                raise
            self._has_failed = True
            raise _cannot_write(Path(self.log_dir), cause) from error


class _CSVWriter(ExperimentWriter):
    """Lightning's writer, which goes on with a file, and has all rows in it at every moment."""

    def __init__(self, log_dir: str, kept: Sequence[Row]) -> None:
        super().__init__(log_dir)
        path = Path(self.metrics_file_path)
        if kept:
            self.metrics_keys = sorted(set().union(*kept))
            _write_rows(path, kept, self.metrics_keys)
        else:
            path.unlink(missing_ok=True)

    def _check_log_dir_exists(self) -> None:
        """Lightning would delete the file."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        path = Path(self.metrics_file_path)
        _write_rows(path, _read_rows(path), fieldnames)


def _read_rows(path: Path) -> list[Row]:
    """The rows of a log, each with what stands in it alone."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            {name: value for name, value in row.items() if name and value}
            for row in csv.DictReader(file)
        ]


def _write_rows(path: Path, rows: Sequence[Row], names: Sequence[str]) -> None:
    with replacing_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(rows)
        text.detach()  # flushes, and leaves the file open


@contextmanager
def _as_far_as_possible(status: str) -> Iterator[None]:
    """Let a training that has failed end with its own error."""
    if status == "success":
        yield
    else:
        with suppress(OSError):
            yield


def _cannot_write(path: Path, error: OSError) -> OSError:
    return OSError(f"{path} cannot be written ({error.strerror or error})")


def _without_tensorboard(arguments: threading.ExceptHookArgs) -> None:
    """Report an error of a thread, but for TensorBoard's, which its writer raises again."""
    if not type(arguments.thread).__module__.startswith("tensorboard."):
        threading.__excepthook__(arguments)
