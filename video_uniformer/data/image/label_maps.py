"""Label maps of pictures: what a network sees at each place of them, one file per picture.

A file holds a tensor (2, k, n, n), written by `torch.save`: the scores (logits) of the k best
classes at each place of the whole picture, then the numbers of these classes. Scores of all other
classes are taken for 0. Source: the files published with "All Tokens Matter" (arXiv 2104.10858).
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from video_uniformer.data.image.picture import PictureError


def label_map_path(picture: Path, root: Path, label_root: Path) -> Path:
    """Where the label map of a picture stands: as the picture below `root`, with suffix .pt.

    Raises:
        ValueError: The picture is not below `root`.
    """
    if not picture.is_relative_to(root):
        raise ValueError(f"picture is {picture}, expected one below {root}")
    return (label_root / picture.relative_to(root)).with_suffix(".pt")


class LabelMaps:
    """The label maps of a list's pictures.

    Args:
        root: Folder of the pictures.
        label_root: Folder of the maps, laid out as the pictures.
        shape: k, n and n that every file must have: batches stack them.

    Raises:
        ValueError: `shape` is no such shape.
    """

    def __init__(self, root: str | Path, label_root: str | Path, shape: Sequence[int]) -> None:
        self.root, self.label_root = Path(root), Path(label_root)
        self.shape = tuple(shape)
        if len(self.shape) != 3 or min(self.shape) < 1 or self.shape[1] != self.shape[2]:
            raise ValueError(f"shape is {list(shape)}, expected three counts: k, n and n again")

    def empty(self) -> Tensor:
        """The map (2, k, n, n) of a picture that has none: zeros."""
        return torch.zeros(2, *self.shape)

    def read(self, picture: Path) -> Tensor | None:
        """The map (2, k, n, n), float32, of a picture; None if it has none.

        Raises:
            PictureError: The file is damaged, or of another shape.
            ValueError: There is no folder of maps, or the picture is not below `root`.
        """
        path = label_map_path(picture, self.root, self.label_root)
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            if not self.label_root.is_dir():
                raise ValueError(
                    f"label_root is {self.label_root}, expected an existing folder"
                ) from None
            return None
        except Exception as error:  # PyTorch raises many types
            lines = str(error).splitlines()
            problem = lines[0] if lines else type(error).__name__
            raise PictureError(f"{path}: no label map ({problem})") from None
        shape = tuple(content.shape) if isinstance(content, Tensor) else type(content).__name__
        if shape != (2, *self.shape):
            raise PictureError(f"{path}: holds {shape}, expected a tensor {(2, *self.shape)}")
        return content.float()
