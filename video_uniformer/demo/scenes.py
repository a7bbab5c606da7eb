"""Draw one scene of the `motions` data set: a photo cut-out that moves over another photograph."""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


class _Track(NamedTuple):
    """Where a cut-out is, frame by frame (T,); lengths in frame sides, angles in radians."""

    x: Tensor
    y: Tensor
    diameter: Tensor
    angle: Tensor
    opacity: Tensor


class _Sprite(NamedTuple):
    """A photo cut-out and its track."""

    patch: Tensor  # (3, h, w), 0-255
    aspect: float  # long axis over short axis
    is_round: bool  # an ellipse, otherwise the squarer superellipse of power 4
    track: _Track


def draw_scene(
    pair: int, photos: Sequence[Tensor], *, num_frames: int, size: int, generator: Generator
) -> Tensor:
    """Draw an object that moves left, moves up, comes closer, turns clockwise or appears.

    Place, size, angle, shake, brightness, texture and distractors are drawn for the five alike.

    Args:
        pair: Which of the five, 0 to 4.
        photos: At least two photographs, each (3, H, W), 0-255: one is the background, from
            another the object and the distractors are cut.
        num_frames: Frames T.
        size: Width and height of a frame in pixels.
        generator: Source of all that is random.

    Shape:
        (T, size, size, 3) uint8, RGB.
    """
    behind, front = torch.randperm(len(photos), generator=generator)[:2].tolist()
    brightness = _uniform(generator, 60, 195)
    shake = _wobble(num_frames, 0.008, generator), _wobble(num_frames, 0.008, generator)
    canvas = _background(photos[behind], brightness, shake, size, generator)
    for _ in range(1 + round(_uniform(generator, 0, 1))):
        track = _distractor_track(num_frames, generator)
        sprite = _cut_sprite(photos[front], track, brightness, size, generator)
        _paint(canvas, sprite, shake)
    track = _object_track(pair, num_frames, generator)
    _paint(canvas, _cut_sprite(photos[front], track, brightness, size, generator), shake)
    return canvas.clamp_(0, 255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _uniform(generator: Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def _wobble(num_frames: int, amplitude: float, generator: Generator) -> Tensor:
    """Sway smoothly within about +-amplitude: (T,)."""
    time = torch.linspace(0, 2 * math.pi, num_frames)
    slow, fast = _uniform(generator, 0.5, 1.5), _uniform(generator, 2, 4)
    phases = [_uniform(generator, 0, 2 * math.pi) for _ in range(2)]
    return amplitude * ((slow * time + phases[0]).sin() + 0.5 * (fast * time + phases[1]).sin())


def _object_track(pair: int, num_frames: int, generator: Generator) -> _Track:
    """Follow the object through the first class of a pair.

    Place, size and angle are drawn for all classes alike, so that a frame says little of the pair.
    """
    uniform = partial(_uniform, generator)
    time = torch.linspace(0, 1, num_frames)
    ease = uniform(0, 1)
    done = torch.lerp(time, time**2 * (3 - 2 * time), ease)  # 0 to 1, evenly or with soft ends
    travel = uniform(0.45, 0.62)
    along = uniform(0.17 + travel / 2, 0.83 - travel / 2) + travel * (0.5 - done)
    x, y = (torch.full_like(time, uniform(0.28, 0.72)) for _ in range(2))
    diameter = torch.full_like(time, uniform(0.34, 0.44))
    # Half-way through a turn the object lies rather than stands; the others keep an angle of it.
    lying = math.pi * round(uniform(0, 1)) + math.radians(uniform(-25, 25))
    turn = math.radians(uniform(90, 130))
    angle = torch.full_like(time, lying + turn * uniform(-0.5, 0.5))
    opacity = torch.ones_like(time)
    growth = uniform(1.9, 2.6)
    fade = uniform(0.35, 0.6)
    start = uniform(0.1, 0.9 - fade)
    if pair == 0:
        x = along
    elif pair == 1:
        y = along
    elif pair == 2:
        diameter = diameter * growth ** (done - 0.5)
    elif pair == 3:
        angle = lying + turn * (done - 0.5)
    else:
        opacity = ((time - start) / fade).clamp(0, 1)
    return _Track(x, y, diameter, angle, opacity)


def _distractor_track(num_frames: int, generator: Generator) -> _Track:
    """Let a small cut-out sway and flicker in place, in every class alike."""
    uniform = partial(_uniform, generator)
    ones = torch.ones(num_frames)
    return _Track(
        x=uniform(0.1, 0.9) + _wobble(num_frames, uniform(0, 0.02), generator),
        y=uniform(0.1, 0.9) + _wobble(num_frames, uniform(0, 0.02), generator),
        diameter=uniform(0.10, 0.15) * ones,
        angle=uniform(0, 2 * math.pi) * ones,
        opacity=0.85 + _wobble(num_frames, uniform(0, 0.1), generator),
    )


def _cut_sprite(
    photo: Tensor, track: _Track, brightness: float, size: int, generator: Generator
) -> _Sprite:
    """Cut the liveliest of some random patches and set it off from its background."""
    aspect = _uniform(generator, 1.7, 2.2)
    is_round = _uniform(generator, 0, 1) < 0.4
    pixels = track.diameter.mean().item() * size
    shape = round(pixels / aspect**0.5), round(pixels * aspect**0.5)
    cuts = [_cut(photo, _uniform(generator, 0.25, 0.5), shape, generator) for _ in range(4)]
    # Every seventh pixel tells enough of the texture, at a fraction of the time.
    liveliest = max(cuts, key=lambda cut: cut[1, ::7, ::7].std().item())
    away = 75 if brightness < 128 else -75
    patch = _tone(_resize(liveliest, shape), brightness + away, 48)
    return _Sprite(patch, aspect, is_round, track)


def _cut(photo: Tensor, share: float, shape: tuple[int, int], generator: Generator) -> Tensor:
    """Cut a random rectangle of this form, its long side `share` of the photograph's short one."""
    scale = share * min(photo.shape[1:]) / max(shape)
    height, width = round(shape[0] * scale), round(shape[1] * scale)
    top = int(_uniform(generator, 0, photo.shape[1] - height))
    left = int(_uniform(generator, 0, photo.shape[2] - width))
    return photo[:, top : top + height, left : left + width]


def _resize(patch: Tensor, shape: tuple[int, int]) -> Tensor:
    return F.interpolate(patch[None], size=shape, mode="bilinear", antialias=True)[0]


def _tone(patch: Tensor, brightness: float, contrast: float) -> Tensor:
    """Give a patch this mean and this standard deviation of grey, as far as noise allows."""
    grey = patch.mean(dim=0)
    gain = min(contrast / max(grey.std().item(), 1.0), 4.0)
    return ((patch - grey.mean()) * gain + brightness).clamp(0, 255)


def _background(
    photo: Tensor,
    brightness: float,
    shake: tuple[Tensor, Tensor],
    size: int,
    generator: Generator,
) -> Tensor:
    """Show a photograph out of focus through a shaking camera: (T, 3, size, size)."""
    share = _uniform(generator, 0.6, 1)
    coarse = _resize(_cut(photo, share, (1, 1), generator), (size // 2, size // 2))
    patch = F.interpolate(coarse[None], size=(size, size), mode="bicubic")[0]
    margin = 0.95  # of the patch is seen at a time; the rest is for the shake
    centres = margin * ((torch.arange(size) + 0.5) * (2 / size) - 1)
    x, y = (2 * offset[:, None, None] for offset in shake)
    grid = torch.stack(torch.broadcast_tensors(centres - x, centres[:, None] - y), dim=-1)
    toned = _tone(patch, brightness, 22).expand(len(grid), -1, -1, -1)
    return F.grid_sample(toned, grid, padding_mode="border", align_corners=False)


def _paint(canvas: Tensor, sprite: _Sprite, shake: tuple[Tensor, Tensor]) -> None:
    """Lay a cut-out over the frames (T, 3, size, size), in place."""
    size, track = canvas.shape[-1], sprite.track
    x, y = track.x + shake[0], track.y + shake[1]
    columns, rows = (_window(centre, sprite, size) for centre in (x, y))
    centres = (torch.arange(size) + 0.5) / size
    dx = centres[columns] - x[:, None, None]  # (T, 1, columns)
    dy = centres[rows, None] - y[:, None, None]  # (T, rows, 1)
    diameter, angle, opacity = (values[:, None, None] for values in track[2:])
    long, short = diameter * (sprite.aspect**0.5 / 2), diameter / (sprite.aspect**0.5 * 2)
    # Rows count downwards, so that a growing angle turns clockwise.
    u = (angle.cos() * dx + angle.sin() * dy) / long  # (T, rows, columns)
    v = (angle.cos() * dy - angle.sin() * dx) / short
    u2, v2 = u * u, v * v
    radius = (u2 + v2).sqrt() if sprite.is_round else (u2 * u2 + v2 * v2).sqrt().sqrt()
    # A soft edge of about a pixel, so that motion is smooth below the pixel.
    alpha = ((1 - radius) * short * size + 0.5).clamp(0, 1) * opacity
    patches = sprite.patch.expand(len(canvas), -1, -1, -1)
    grid = torch.stack([u, v], dim=-1)
    colour = F.grid_sample(patches, grid, padding_mode="border", align_corners=False)
    canvas[:, :, rows, columns].lerp_(colour, alpha[:, None])


def _window(centre: Tensor, sprite: _Sprite, size: int) -> slice:
    """Bound the pixels that a cut-out touches along one axis in any frame."""
    reach = sprite.track.diameter * (1.05 * sprite.aspect**0.5 / 2) + 1 / size
    first, last = (centre - reach).min().item() * size, (centre + reach).max().item() * size
    return slice(max(0, math.floor(first)), min(size, math.ceil(last)))
