"""The class of each pixel, whole and through windows."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from video_uniformer.clip import SceneSpec
from video_uniformer.inference.segmentation import MULTI_SCALE, segment_picture

PLAIN = SceneSpec(short_side=64, long_side=96, mean=(0.0,) * 3, std=(1.0,) * 3)


def picture_of(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    source = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 16 + 2, width // 16 + 2, generator=source)
    pixels = F.interpolate(coarse, (height, width), mode="bicubic")[0].mul(255).clamp(0, 255)
    return pixels.byte().permute(1, 2, 0).contiguous().numpy()


def brightest_channel(images: Tensor) -> Tensor:
    """Three classes: which colour is strongest."""
    return F.avg_pool2d(images, 4)


def five_classes(images: Tensor) -> Tensor:
    """A network that sees its surroundings and tells left from right."""
    weights = torch.randn(5, 3, 7, 7, generator=torch.Generator().manual_seed(1))
    return F.conv2d(images, weights, stride=4, padding=3)


def published(
    network: Callable[[Tensor], Tensor],
    pixels: npt.NDArray[np.uint8],
    sizes: list[tuple[int, int]],
    *,
    flip: bool,
) -> Tensor:
    """Mean probabilities as mmsegmentation computes them, all in memory."""
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    total: list[Tensor] = []
    for size in sizes:
        image = F.interpolate(picture, size, mode="bilinear").round() / 255
        for mirrored in (False, True) if flip else (False,):
            logits = network(image.flip(3) if mirrored else image)
            logits = F.interpolate(logits, size, mode="bilinear")
            probabilities = F.interpolate(logits, pixels.shape[:2], mode="bilinear").softmax(1)
            total.append(probabilities.flip(3) if mirrored else probabilities)
    return torch.stack(total).mean(0)[0]


def assert_agree(labels: npt.NDArray[np.uint8], probabilities: Tensor) -> None:
    """Equal wherever rounding cannot decide."""
    best = probabilities.topk(2, dim=0).values
    clear = (best[0] - best[1] > 1e-4).numpy()
    assert clear.mean() > 0.98
    assert (labels == probabilities.argmax(0).numpy())[clear].all()


def test_colours_are_found_where_they_are() -> None:
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48, 0], pixels[:32, 48:, 1], pixels[32:, 48:, 2] = 255, 255, 255
    labels, shares = segment_picture(brightest_channel, pixels, PLAIN)
    assert labels.dtype == np.uint8
    assert np.array_equal(labels, pixels.argmax(2))
    assert shares.tolist() == [0.5, 0.25, 0.25]


@pytest.mark.parametrize(("height", "width"), [(64, 96), (50, 75), (129, 200), (40, 300)])
def test_single_pass_answers_as_published(height: int, width: int) -> None:
    pixels = picture_of(height, width)
    sizes = {(64, 96): (64, 96), (50, 75): (64, 96), (129, 200): (62, 96), (40, 300): (13, 96)}
    expected = published(five_classes, pixels, [sizes[height, width]], flip=False)
    assert_agree(segment_picture(five_classes, pixels, PLAIN).labels, expected)


def test_multi_scale_answers_as_published() -> None:
    pixels = picture_of(80, 100)
    sizes = [(32, 40), (48, 60), (64, 80), (80, 100), (96, 120), (112, 140)]
    found = segment_picture(five_classes, pixels, PLAIN, scales=MULTI_SCALE, flip=True)
    assert_agree(found.labels, published(five_classes, pixels, sizes, flip=True))


def test_sides_are_stretched_to_multiples() -> None:
    seen = []

    def network(images: Tensor) -> Tensor:
        seen.append(tuple(images.shape))
        return five_classes(images)

    spec = SceneSpec(short_side=64, long_side=96, multiple=32)
    labels, _ = segment_picture(network, picture_of(70, 80), spec, scales=(1.0, 1.5))
    assert seen == [(1, 3, 64, 96), (1, 3, 96, 128)]  # 64 x 73, 96 x 110
    assert labels.shape == (70, 80)


def test_flipped_passes_make_the_answer_symmetric() -> None:
    pixels = picture_of(64, 96)
    found = segment_picture(five_classes, pixels, PLAIN, flip=True).labels
    mirrored = segment_picture(five_classes, pixels[:, ::-1], PLAIN, flip=True).labels
    assert np.mean(found == mirrored[:, ::-1]) > 0.999


@pytest.mark.parametrize("scales", [(1.0,), (0.5, 1.0)])
def test_one_large_window_answers_as_no_window(scales: tuple[float, ...]) -> None:
    pixels = picture_of(70, 90)
    whole = segment_picture(five_classes, pixels, PLAIN, scales=scales, flip=True)
    window = segment_picture(five_classes, pixels, PLAIN, scales=scales, flip=True, window=128)
    assert np.mean(whole.labels == window.labels) > 0.999


def test_default_stride_is_two_thirds_of_a_window() -> None:
    pixels = picture_of(64, 96)
    default = segment_picture(five_classes, pixels, PLAIN, window=36)
    assert np.array_equal(
        default.labels, segment_picture(five_classes, pixels, PLAIN, window=36, stride=24).labels
    )


def test_network_sees_normalised_pixels_in_its_channel_order() -> None:
    seen: list[Tensor] = []

    def network(images: Tensor) -> Tensor:
        seen.append(images)
        return brightest_channel(images)

    spec = SceneSpec(64, 64, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0), channel_order="bgr")
    pixels = np.broadcast_to(np.array([51, 102, 255], np.uint8), (64, 64, 3))
    segment_picture(network, pixels, spec)
    # Blue 1 -> (1 - .5) / .5, green .4 -> (.4 - .25) / .25, red .2.
    torch.testing.assert_close(seen[0][0, :, 5, 5], torch.tensor([1.0, 0.6, 0.2]))


def test_pixels_may_be_read_only_and_in_any_order() -> None:
    planes = np.ascontiguousarray(picture_of(64, 96).transpose(2, 0, 1))
    planes.flags.writeable = False
    found = segment_picture(five_classes, planes.transpose(1, 2, 0), PLAIN)
    expected = segment_picture(five_classes, picture_of(64, 96), PLAIN)
    assert np.array_equal(found.labels, expected.labels)


def test_many_classes_have_wider_labels() -> None:
    def network(images: Tensor) -> Tensor:
        logits = torch.zeros(1, 300, images.shape[2] // 4, images.shape[3] // 4)
        logits[:, 299] = 1
        return logits

    labels, shares = segment_picture(network, picture_of(64, 64), PLAIN)
    assert labels.dtype == np.int16
    assert (labels == 299).all()
    assert shares.shape == (300,)
    assert shares[299] == 1


@pytest.mark.parametrize("pixels", [np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8)])
def test_other_pixels_are_refused(pixels: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match=r"pixels is .*, expected uint8 \(height, width, 3\)"):
        segment_picture(five_classes, pixels, PLAIN)


@pytest.mark.parametrize("scales", [(), (0.0,), (1.0, -1.0), (float("nan"),)])
def test_impossible_scales_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"scales is .*, expected at least one number above 0"):
        segment_picture(five_classes, picture_of(8, 8), PLAIN, scales=scales)


def test_stride_without_window_is_refused() -> None:
    with pytest.raises(ValueError, match="stride is 4, expected None where window is None"):
        segment_picture(five_classes, picture_of(8, 8), PLAIN, stride=4)


@pytest.mark.parametrize("stride", [0, 65])
def test_stride_that_leaves_gaps_is_refused(stride: int) -> None:
    with pytest.raises(ValueError, match=f"stride is {stride}, expected 1 to 64"):
        segment_picture(five_classes, picture_of(8, 8), PLAIN, window=64, stride=stride)


@pytest.mark.parametrize("window", [0, 48])
def test_window_that_the_network_cannot_see_is_refused(window: int) -> None:
    spec = SceneSpec(short_side=64, long_side=64, multiple=32)
    with pytest.raises(ValueError, match=f"window is {window}, expected a multiple of 32 pixels"):
        segment_picture(five_classes, picture_of(8, 8), spec, window=window)


PEAK = """
import resource
import numpy as np
import torch
from video_uniformer.clip import SceneSpec
from video_uniformer.inference.segmentation import segment_picture

torch.set_num_threads(2)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def network(images):
    logits = images[:, :1, ::4, ::4].repeat(1, 150, 1, 1)
    logits[:, 7] += 1
    return logits

def segment(height, width, short, long):
    pixels, spec = np.zeros((height, width, 3), np.uint8), SceneSpec(short, long)
    labels, shares = segment_picture(network, pixels, spec, window={window}, stride={stride})
    assert labels.shape == (height, width) and shares[7] == 1

segment(64, 64, 64, 64)
before = peak()
segment(3000, 4000, {short}, {long})
print(peak() - before)
"""


def peak_bytes(**settings: int | None) -> int:
    """Memory that segmenting 4000 x 3000 pixels by 150 classes takes beyond a small picture."""
    command = [sys.executable, "-c", PEAK.format(**settings)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
def test_windows_over_a_big_picture_take_the_memory_of_one_band() -> None:
    peak = peak_bytes(short=3000, long=4000, window=256, stride=224)
    band = 150 * 256 * 4000 * 4  # 0.6 GB; all scores are 7.2 GB
    rows = 150 * 32 * 4000 * 4
    pictures = 3 * 3000 * 4000 * 3
    assert peak < band + 8 * rows + pictures


@pytest.mark.slow
def test_big_picture_as_a_whole_takes_the_memory_of_few_rows() -> None:
    peak = peak_bytes(short=512, long=2048, window=None, stride=None)
    scores, rows = 150 * 128 * 171 * 4, 150 * 32 * 4000 * 4
    pictures = 3 * 3000 * 4000 * 3
    assert peak < 2 * scores + 5 * rows + pictures
