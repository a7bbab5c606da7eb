"""How checkpoints get to the disk: beside the old one, read back, then renamed; in a thread."""

import errno
import logging
import shutil
import zipfile
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from video_uniformer.system.atomic import replacing_file

_logger = logging.getLogger(__name__)
_MOST_WAITING = 2  # best and last are saved at the same moment
_MEGABYTE = 1_000_000


class CheckpointFiles(TorchCheckpointIO):
    """Write checkpoints so that a loadable one is there at every moment.

    A checkpoint is copied to the processor's memory, and written by a thread while training goes
    on: to a file in the folder of the old one, which is read back and takes the old one's place
    only then. A process that is killed, or a disk that is full, costs the new one. Weights that are
    not finite are not written at all, which a warning says. Addresses such as `s3://` are left to
    Lightning.

    Attributes:
        failure: What kept the last checkpoint from being written; None while all is well. Raised at
            the next saving, and at the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failure: OSError | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._waiting: list[Future[None]] = []
        self._is_refused = False  # the last one, as its weights are not finite

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Have a checkpoint written as it is now.

        Raises:
            OSError: an earlier one could not be written.
        """
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        while len(self._waiting) >= _MOST_WAITING:
            self._waiting.pop(0).result()
        self._raise_failure()
        copied = apply_to_collection(checkpoint, Tensor, _copy)
        self._submit(copied, Path(path))

    def load_checkpoint(self, path: str | Path, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Read a checkpoint, once all are written."""
        self.wait()
        return super().load_checkpoint(path, *arguments, **options)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint, once what is to replace it is written, and only then."""
        self.wait()
        if not self._is_refused:
            super().remove_checkpoint(path)

    def wait(self) -> None:
        """Return when all is written.

        Raises:
            OSError: a checkpoint could not be written.
        """
        while self._waiting:
            self._waiting.pop(0).result()
        self._raise_failure()

    def teardown(self) -> None:
        """Write what is left; see `wait`."""
        try:
            self.wait()
        finally:
            if self._writer is not None:
                self._writer.shutdown()
                self._writer = None

    def _submit(self, checkpoint: dict[str, Any], path: Path) -> None:
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._waiting.append(self._writer.submit(self._write, checkpoint, path))

    def _write(self, checkpoint: dict[str, Any], path: Path) -> None:
        name = _first_not_finite(checkpoint.get("state_dict", {}))
        self._is_refused = name is not None
        if name is not None:
            _logger.warning("%s is not written, as %s is not finite", path, name)
            return
        try:
            write_checkpoint(checkpoint, path)
        except OSError as error:
            self.failure = error

    def _raise_failure(self) -> None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure


def write_checkpoint(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint, read it back, and only then let it take the place of an earlier one.

    Args:
        checkpoint: Tensors and plain values.
        path: The file.

    Raises:
        OSError: it cannot be written, or reads otherwise than it was written; what stood there is
            still there.
    """
    try:
        with replacing_file(path) as file:
            torch.save(checkpoint, file)
            _read_back(file)
    except (OSError, RuntimeError) as error:
        # PyTorch, whose writing was cut short, complains of that in turn.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        kept = "the earlier one is still there" if path.exists() else "there is none before it"
        why = _room(checkpoint, path) if cause.errno == errno.ENOSPC else ""
        why = f"{cause.strerror or cause}{why}"
        raise OSError(f"{path} cannot be written ({why}); {kept}") from error


def _read_back(file: BinaryIO) -> None:
    """Check every byte against the sums in the file, and that PyTorch finds what it needs."""
    file.flush()
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        if (damaged := archive.testzip()) is not None:
            raise OSError(f"{damaged} reads otherwise than it was written")
    file.seek(0)
    torch.load(file, map_location="meta", weights_only=True)
    file.seek(0, 2)


def _room(checkpoint: Mapping[str, Any], path: Path) -> str:
    """How much room it needs at least, and how much there is."""
    sizes: list[int] = []
    apply_to_collection(dict(checkpoint), Tensor, lambda tensor: sizes.append(tensor.nbytes))
    free = shutil.disk_usage(path.parent).free
    return f": its tensors take {sum(sizes) / _MEGABYTE:.1f} MB, {free / _MEGABYTE:.1f} MB are free"


def _first_not_finite(state: Mapping[str, Any]) -> str | None:
    for name, value in state.items():
        # The sum is quick, and finite only if all are; large numbers alone make it infinite too.
        if isinstance(value, Tensor) and not (value.sum().isfinite() or value.isfinite().all()):
            return name
    return None


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)
