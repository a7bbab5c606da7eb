"""Pairs: our decoding against decord's plain `get_batch` and PyTorchVideo's `EncodedVideo`."""

from collections.abc import Callable
from pathlib import Path

import av
import decord
import numpy as np
import torch
from numpy.typing import NDArray
from pytorchvideo.data.encoded_video import EncodedVideo
from torch import Tensor

from benchmarks.timing import Pair, Runner
from video_uniformer.data.decoding import open_video
from video_uniformer.data.decoding.scaling import scaled_size

WIDTH, HEIGHT, FPS, NUM_FRAMES = 340, 256, 30, 300
CLIP_FRAMES, STRIDE = 16, 4
DENSE_STARTS = (20, 131, 222)  # first frames of the clips that one run reads
GROUPS = (12, 250)  # frames from one key frame to the next
SHORT_SIDES = (128, 224)  # pixels, of frames scaled down while they are decoded
DECORD, DECORD_DEFAULT, ENCODED_VIDEO = "decord, 1 thread", "decord, default", "EncodedVideo"
OURS = {"decord": "ours, decord", "pyav": "ours, PyAV"}  # which is also what `auto` takes
# Our PyAV reader against decord with one thread; more where hardly a packet need be decoded.
PROMISED, PROMISED_SPARSE_IN_SHORT_GROUPS = 1.0, 1.3
PROMISED_OF_ENCODED_VIDEO = 2.5  # the faster of our decoders
SCALING_TOLERANCE = 2.0  # mean difference of values between two scalers


def write_moving_video(path: Path, *, gop: int, seed: int = 0) -> None:
    """Write ten seconds of H.264 that cost a decoder what camera footage costs.

    A texture with the 1/f spectrum of photographs pans and sways behind another one that moves the
    other way. No noise: it would only fill the residuals.

    Args:
        path: The file.
        gop: Frames from one key frame to the next.
        seed: Chooses the textures.
    """
    random = np.random.default_rng(seed)
    far, near = _texture(random), _texture(random)
    rows, columns = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    with av.open(str(path), "w") as container:
        options = {"g": str(gop), "keyint_min": str(gop), "sc_threshold": "0"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(NUM_FRAMES):
            angle = number / 24
            image = _window(far, 200 + 1.3 * number, 250 + 40 * np.sin(angle))
            centre = 0.5 * np.cos(angle), 0.6 * np.sin(0.7 * angle)
            inside = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < 0.25
            image[inside] = _window(near, 650 - 1.7 * number, 300.0)[inside]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def _texture(random: np.random.Generator) -> NDArray[np.uint8]:
    """Colours with a 1/f spectrum, (1024, 1536, 3)."""
    height, width = 1024, 1536
    frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(width), np.fft.fftfreq(height)))
    frequency[0, 0] = np.inf
    noise = random.standard_normal((3, height, width))
    noise[1:] = noise[0] + 0.4 * noise[1:]  # colours mostly go along with brightness
    image = np.fft.irfft2(np.fft.rfft2(noise) / frequency**1.2, s=(height, width))
    image = 128 + 50 * image / image.std()
    return np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8).transpose(1, 2, 0))


def _window(texture: NDArray[np.uint8], left: float, top: float) -> NDArray[np.uint8]:
    row, column = int(top), int(left)
    return texture[row : row + HEIGHT, column : column + WIDTH].copy()


def decode_pairs(folder: Path) -> list[Pair]:
    """Write the videos, check that all decoders agree, and pair them.

    Args:
        folder: Where the videos go.

    Raises:
        ValueError: our frames are not those of decord.
    """
    pairs = []
    for gop in GROUPS:
        path = folder / f"gop{gop}.mp4"
        write_moving_video(path, gop=gop)
        step = (NUM_FRAMES - 1) / (CLIP_FRAMES - 1)
        sparse = torch.tensor([[round(number * step) for number in range(CLIP_FRAMES)]])
        dense = torch.tensor(DENSE_STARTS)[:, None] + STRIDE * torch.arange(CLIP_FRAMES)
        for name, clips in (("dense", dense), ("sparse", sparse)):
            task = f"decode, {name}, key frame every {gop}"
            is_easy = name == "sparse" and gop == min(GROUPS)
            promised = PROMISED_SPARSE_IN_SHORT_GROUPS if is_easy else PROMISED
            pairs += _pairs_of_one_task(path, task, clips, promised)
            pairs += [_scaled_pair(path, task, clips, side) for side in SHORT_SIDES]
    return pairs


def _pairs_of_one_task(path: Path, task: str, clips: Tensor, promised: float) -> list[Pair]:
    """`clips` (N, T): frame numbers of the clips that one run reads, each from a fresh open."""
    expected = torch.stack([_read_with_decord(path, clip) for clip in clips])
    ours = []
    for decoder, name in OURS.items():
        frames = torch.stack([_read_with_ours(path, clip, decoder) for clip in clips])
        if not torch.equal(frames, expected):
            raise ValueError(f"{name} does not give the frames of decord, {task}")
        ours.append(_runner(name, path, clips, _reader(decoder)))
    one_thread = _runner(DECORD, path, clips, _read_with_decord)
    many_threads = _runner(DECORD_DEFAULT, path, clips, _read_with_decord_threads)
    encoded = _runner(ENCODED_VIDEO, path, clips, _read_with_pytorchvideo)
    promises = {
        (OURS["pyav"], DECORD): promised,
        (OURS["pyav"], ENCODED_VIDEO): PROMISED_OF_ENCODED_VIDEO,
        (OURS["decord"], ENCODED_VIDEO): PROMISED_OF_ENCODED_VIDEO,
    }
    return [
        Pair(task, contender, reference, len(clips), promises.get((contender.name, reference.name)))
        for contender in ours
        for reference in (one_thread, many_threads, encoded)
    ]


def _scaled_pair(path: Path, task: str, clips: Tensor, short_side: int) -> Pair:
    """Frames scaled down while decoding, by us and by decord."""

    def ours(path: Path, indices: Tensor) -> Tensor:
        with open_video(path, short_side=short_side) as video:
            return video.frames(indices)

    def decords(path: Path, indices: Tensor) -> Tensor:
        width, height = scaled_size(WIDTH, HEIGHT, short_side)
        reader = decord.VideoReader(str(path), width=width, height=height, num_threads=1)
        return torch.from_numpy(reader.get_batch(indices.tolist()).asnumpy())

    difference = ours(path, clips[0]).float() - decords(path, clips[0]).float()
    if difference.abs().mean() > SCALING_TOLERANCE:
        raise ValueError(f"our frames are not those of decord, {task}, scaled to {short_side}")
    return Pair(
        f"{task}, short side {short_side}",
        _runner(OURS["pyav"], path, clips, ours),
        _runner(DECORD, path, clips, decords),
        len(clips),
        PROMISED,
    )


def _runner(name: str, path: Path, clips: Tensor, read: Callable[[Path, Tensor], object]) -> Runner:
    def run() -> None:
        for clip in clips:
            read(path, clip)

    return Runner(name, run)


def _reader(decoder: str) -> Callable[[Path, Tensor], Tensor]:
    return lambda path, indices: _read_with_ours(path, indices, decoder)


def _read_with_ours(path: Path, indices: Tensor, decoder: str) -> Tensor:
    with open_video(path, decoder) as video:
        return video.frames(indices)


def _read_with_decord(path: Path, indices: Tensor, num_threads: int = 1) -> Tensor:
    reader = decord.VideoReader(str(path), num_threads=num_threads)
    return torch.from_numpy(reader.get_batch(indices.tolist()).asnumpy())


def _read_with_decord_threads(path: Path, indices: Tensor) -> Tensor:
    return _read_with_decord(path, indices, num_threads=0)


def _read_with_pytorchvideo(path: Path, indices: Tensor) -> Tensor:
    """The window in seconds around the frames, then those of it that are wanted."""
    video = EncodedVideo.from_path(str(path), decode_audio=False)
    window = video.get_clip(int(indices[0]) / FPS, (int(indices[-1]) + 1) / FPS)["video"]
    return window[:, (indices - indices[0]).clamp(max=window.shape[1] - 1)]
