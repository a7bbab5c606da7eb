"""A small real set of pictures: scikit-learn's 1,797 scans of handwritten digits, as PNG files.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository (1998), the test part, which scikit-learn carries.
"""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

HOLD_OUT = 5  # every fifth scan is for validation
CLASS_NAMES = tuple(str(digit) for digit in range(10))
_NUM_SCANS, _SCAN_SIDE, _MOST = 1797, 8, 16  # the scans' values are 0 to 16


def load_digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The scans and what they show.

    Shape:
        (1797, 8, 8) uint8, 0 (paper) to 255 (ink), and (1797,) digits.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "the digits data set needs scikit-learn; install it with: "
            "pip install 'video-uniformer[demo]'",
            name="sklearn",
        ) from None
    scans = datasets.load_digits()
    pixels = np.rint(scans.images * (255 / _MOST)).astype(np.uint8)
    return pixels, scans.target.astype(np.int64)


def write_digits(root: Path | str, *, size: int = 32) -> None:
    """Write the scans as `root/{train,val}/DIGIT/NUMBER.png`, unless they are there already.

    `classes.txt` names the classes in their order. Every fifth scan is held out for
    validation: 1,438 are for training, 359 are not. The folder appears complete or not at all.

    Args:
        root: Folder to make; an empty one is filled.
        size: Height and width of a picture, pixels, to which a scan of 8 x 8 is enlarged.

    Raises:
        ValueError: `size` is below 8, or `root` holds something else or pictures of another size.
        ModuleNotFoundError: scikit-learn is not installed.
    """
    if type(size) is not int or size < _SCAN_SIDE:
        raise ValueError(f"size is {size!r}, expected at least {_SCAN_SIDE} pixels")
    root = Path(root).resolve()
    if _is_written(root, size):
        return
    pixels, digits = load_digits()
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as temporary:
        # One level deeper, because the temporary folder itself is closed to other users.
        folder = Path(temporary, root.name)
        for number, (scan, digit) in enumerate(zip(pixels, digits, strict=True)):
            split = "val" if number % HOLD_OUT == HOLD_OUT - 1 else "train"
            path = folder / split / CLASS_NAMES[digit] / f"{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(scan).resize((size, size), Image.Resampling.BICUBIC).save(path)
        (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASS_NAMES))
        folder.replace(root)


def _is_written(root: Path, size: int) -> bool:
    """Tell a finished data set from nothing; anything else is refused."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    pictures = sorted(root.glob("*/?/*.png")) if root.is_dir() else []
    if len(pictures) != _NUM_SCANS:
        raise ValueError(f"root is {root}, which holds something else; expected an empty folder")
    with Image.open(pictures[0]) as first:
        if first.size != (size, size):
            raise ValueError(
                f"root is {root}, whose digits are {first.width} pixels wide, expected {size}: "
                "remove it, or choose another folder"
            )
    return True
