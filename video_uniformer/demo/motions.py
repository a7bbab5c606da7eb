"""Draw `motions`: ten classes of short videos that no single frame can tell apart.

An object cut from one photograph moves over another photograph. The classes come in pairs, and the
second of a pair is the first played backwards: both have the same frames, in opposite orders.
Whatever ignores order, be it any one frame, an average or a shuffled clip, can at best name the
pair. (Only a frame known to be the first or the last tells more: nothing has appeared yet.)
"""

import json
import os
import tempfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import av
import torch
from PIL import Image
from torch import Generator, Tensor

from video_uniformer.demo.scenes import draw_scene

CLASS_NAMES = (
    "moving left",
    "moving right",
    "moving up",
    "moving down",
    "coming closer",
    "going away",
    "turning clockwise",
    "turning counter-clockwise",
    "appearing",
    "disappearing",
)
PHOTOS = {
    "train": (
        "skimage/data/astronaut.png",
        "skimage/data/brick.png",
        "skimage/data/camera.png",
        "skimage/data/coffee.png",
        "skimage/data/gravel.png",
        "skimage/data/hubble_deep_field.jpg",
        "skimage/data/ihc.png",
        "skimage/data/motorcycle_left.png",
        "skimage/data/retina.jpg",
        "skimage/data/rocket.jpg",
    ),
    "val": (
        "skimage/data/chelsea.png",
        "skimage/data/coins.png",
        "skimage/data/grass.png",
        "skimage/data/moon.png",
        "sklearn/datasets/images/china.jpg",
        "sklearn/datasets/images/flower.jpg",
    ),
}
FPS = 12
GOP = 12
PHOTO_SIDE = 320  # pixels; several frames wide, so that what is cut out stays sharp
_SCENES_PER_JOB = 10  # enough to repay loading the photographs


def find_photos(split: str) -> list[Path]:
    """Find a split's photographs in the installed scikit-image and scikit-learn.

    Neither package is imported, nothing is downloaded.

    Args:
        split: "train" or "val", which have no photograph in common.

    Raises:
        ValueError: `split` is another word, or an installed package lacks a photograph.
        ModuleNotFoundError: scikit-image or scikit-learn is not installed.
    """
    if split not in PHOTOS:
        raise ValueError(f"split is {split!r}; expected one of {', '.join(PHOTOS)}")
    return [_find_photo(name) for name in PHOTOS[split]]


def _find_photo(name: str) -> Path:
    package, _, inside = name.partition("/")
    advice = "install its photographs with: pip install 'video-uniformer[demo]'"
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"this data set needs {package}; {advice}", name=package)
    path = Path(spec.submodule_search_locations[0], inside)
    if not path.is_file():
        raise ValueError(f"the installed {package} carries no {inside}; {advice}")
    return path


def load_photos(split: str) -> list[Tensor]:
    """Load a split's photographs.

    Args:
        split: "train" or "val".

    Shape:
        each (3, H, W) float32, RGB, 0-255, the shorter side `PHOTO_SIDE` pixels.

    Raises:
        ValueError: `split` is another word, or an installed package lacks a photograph.
        ModuleNotFoundError: scikit-image or scikit-learn is not installed.
    """
    return [_load_photo(path) for path in find_photos(split)]


def load_named_photos(names: Sequence[str]) -> list[Tensor]:
    """The photographs of some names in `PHOTOS`, as `load_photos` gives them.

    Args:
        names: Files below the folder of installed packages.

    Raises:
        ModuleNotFoundError: One is not installed.
    """
    return [_load_photo(_find_photo(name)) for name in names]


def _load_photo(path: Path) -> Tensor:
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    scale = PHOTO_SIDE / min(rgb.size)
    rgb = rgb.resize((round(rgb.width * scale), round(rgb.height * scale)), Image.Resampling.BOX)
    pixels = torch.frombuffer(bytearray(rgb.tobytes()), dtype=torch.uint8)
    return pixels.view(rgb.height, rgb.width, 3).permute(2, 0, 1).float()


def write_motions(
    root: Path | str,
    *,
    num_train: int = 2000,
    num_val: int = 400,
    num_frames: int = 24,
    size: int = 64,
    seed: int = 0,
    num_workers: int | None = None,
) -> None:
    """Write the data set as H.264 files with its lists, unless it is there already.

    `root` receives `videos/{train,val}/{class}/{number}.mp4`, the lists `train.csv` and `val.csv`
    (lines `path,label`, relative to `root`), `classes.txt` (one name per line, in the order of the
    labels) and `motions.json` (the parameters). It appears complete or not at all. Videos of one
    number and one pair of classes are each other backwards.

    Args:
        root: Folder to make; an empty one is filled.
        num_train: Training videos, a multiple of 10 so that the classes are balanced.
        num_val: Validation videos, likewise.
        num_frames: Frames per video, at least 2; they are shown at 12 per second.
        size: Width and height in pixels, a multiple of 32 (decord fails on some other widths).
        seed: Another seed is another data set.
        num_workers: Processes; 1 works in this one. By default one for every 500 videos, at most
            one per core.

    Raises:
        ValueError: A number is out of range, `root` holds something else or the same data set with
            other parameters, or an installed package lacks a photograph.
        ModuleNotFoundError: scikit-image or scikit-learn is not installed.
    """
    parameters = {
        "num_train": num_train,
        "num_val": num_val,
        "num_frames": num_frames,
        "size": size,
        "seed": seed,
    }
    if num_workers is None:
        num_workers = max(1, min(os.cpu_count() or 1, (num_train + num_val) // 500))
    _check_numbers(parameters, num_workers)
    root = Path(root).resolve()
    if not _is_written(root, parameters):
        _write_at_once(root, parameters, num_workers)


def _check_numbers(parameters: dict[str, int], num_workers: int) -> None:
    for name in ("num_train", "num_val"):
        count = parameters[name]
        if count < 1 or count % len(CLASS_NAMES):
            raise ValueError(
                f"{name} is {count}; expected a positive multiple of {len(CLASS_NAMES)}, "
                "so that the classes are balanced"
            )
    if parameters["num_frames"] < 2:
        raise ValueError(f"num_frames is {parameters['num_frames']}; expected at least 2")
    if parameters["size"] < 32 or parameters["size"] % 32:
        raise ValueError(f"size is {parameters['size']}; expected a positive multiple of 32 pixels")
    if num_workers < 1:
        raise ValueError(f"num_workers is {num_workers}; expected at least 1")


def _is_written(root: Path, parameters: dict[str, int]) -> bool:
    """Tell a finished data set from nothing; anything else is refused."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    made = root / "motions.json"
    if not made.is_file():
        raise ValueError(f"root is {root}, which holds something else; expected an empty folder")
    if made.read_text() != _to_json(parameters):
        raise ValueError(
            f"root is {root}, which holds other motions than the expected {parameters}: "
            f"remove it, or choose another folder; {made} tells what it holds"
        )
    return True


def _to_json(parameters: dict[str, int]) -> str:
    return json.dumps(parameters, indent=2) + "\n"


def _write_at_once(root: Path, parameters: dict[str, int], num_workers: int) -> None:
    """Write the folder beside its place, and put it there when it is complete."""
    for split in PHOTOS:
        find_photos(split)
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}-") as temporary:
        # One level deeper, because the temporary folder itself is closed to other users.
        folder = Path(temporary, root.name)
        _write_folder(folder, parameters, num_workers)
        folder.replace(root)


def _write_folder(folder: Path, parameters: dict[str, int], num_workers: int) -> None:
    """Share the scenes out to processes, then write the lists."""
    folder.mkdir()
    jobs = []
    for split in PHOTOS:
        num_scenes = parameters[f"num_{split}"] // len(CLASS_NAMES)
        starts = range(0, num_scenes, _SCENES_PER_JOB)
        jobs += [(split, range(i, min(i + _SCENES_PER_JOB, num_scenes))) for i in starts]
    write = partial(_write_scenes, folder, parameters)
    if num_workers == 1:
        rows_of_jobs = [write(job) for job in jobs]
    else:
        with ProcessPoolExecutor(
            num_workers, initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            rows_of_jobs = list(pool.map(write, jobs))
    for (split, _), rows in zip(jobs, rows_of_jobs, strict=True):
        with (folder / f"{split}.csv").open("a") as file:
            file.writelines(f"{row}\n" for row in rows)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASS_NAMES))
    (folder / "motions.json").write_text(_to_json(parameters))


def _write_scenes(folder: Path, parameters: dict[str, int], job: tuple[str, range]) -> list[str]:
    """Write one video of each class for each number; give their lines of the list."""
    split, numbers = job
    photos = load_photos(split)  # in each process anew, which takes less than to send them
    num_frames, size, seed = (parameters[name] for name in ("num_frames", "size", "seed"))
    rows = []
    for number, label in product(numbers, range(0, len(CLASS_NAMES), 2)):
        scene = zlib.crc32(f"{seed}/{split}/{number}".encode())
        frames = draw_motion(label, photos, num_frames=num_frames, size=size, seed=scene)
        # The second of a pair is the first backwards, and need not be drawn again.
        for played, label_played in ((frames, label), (frames.flip(0), label + 1)):
            class_folder = CLASS_NAMES[label_played].replace(" ", "_")
            path = folder / "videos" / split / class_folder / f"{number:05d}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_video(path, played)
            rows.append(f"{path.relative_to(folder).as_posix()},{label_played}")
    return rows


def _write_video(path: Path, frames: Tensor) -> None:
    """Encode (T, H, W, 3) uint8 frames as H.264."""
    with av.open(str(path), "w") as container:
        # On frames this small x264's macroblock tree reads memory it has not set: without it the
        # same frames give the same bytes.
        options = {"crf": "20", "preset": "veryfast", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = GOP
        stream.codec_context.thread_count = 1
        for frame in frames.numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def draw_motion(
    label: int,
    photos: Sequence[Tensor],
    *,
    num_frames: int = 24,
    size: int = 64,
    seed: int = 0,
) -> Tensor:
    """Draw the frames of one video.

    With the other arguments equal, class 2k + 1 is exactly class 2k played backwards: the two
    agree in photographs, places, sizes, angles, shake and distractors, and differ in order alone.

    Args:
        label: Index into `CLASS_NAMES`.
        photos: At least two photographs, each (3, H, W) as from `load_photos`.
        num_frames: Frames T, at least 2.
        size: Width and height of a frame in pixels.
        seed: Of this one video: another seed, another scene.

    Shape:
        (T, size, size, 3) uint8, RGB.

    Raises:
        ValueError: `label` is no class, or there are fewer than two photographs.
    """
    if not 0 <= label < len(CLASS_NAMES):
        raise ValueError(f"label is {label}; expected 0 to {len(CLASS_NAMES) - 1}")
    if len(photos) < 2:
        raise ValueError(f"photos holds {len(photos)}; expected at least 2")
    pair = label // 2
    generator = Generator().manual_seed(zlib.crc32(f"{seed}/{pair}".encode()))
    frames = draw_scene(pair, photos, num_frames=num_frames, size=size, generator=generator)
    return frames.flip(0) if label % 2 else frames
