"""Mixing: the published targets, and pictures that are mixed as their targets say."""

import pytest
import torch

from video_uniformer.data.video.mixing import Mixing


def grey_batch(
    num_clips: int = 4, size: int = 16, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Clip i is grey level i everywhere, so a pixel tells whose it is."""
    levels = torch.arange(num_clips, dtype=dtype).view(-1, 1, 1, 1, 1)
    return levels.expand(-1, 3, 2, size, size).clone()


def own_shares(mixed: torch.Tensor, size: int = 16) -> torch.Tensor:
    """Mean share of clip i itself in its mixture with clip N-1-i."""
    own = torch.arange(float(len(mixed)))
    partner = own.flip(0)
    return (mixed.float().mean((1, 2, 3, 4)) - partner) / (own - partner)


def test_smoothed_targets_are_the_published_ones() -> None:
    mixing = Mixing(5, mixup_alpha=0, cutmix_alpha=0, label_smoothing=0.1)
    _, targets = mixing(grey_batch(2), torch.tensor([0, 3]))
    expected = torch.tensor([[0.92, 0.02, 0.02, 0.02, 0.02], [0.02, 0.02, 0.02, 0.92, 0.02]])
    torch.testing.assert_close(targets, expected)


def test_without_mixing_the_video_stays_and_one_clip_is_enough() -> None:
    video = grey_batch(1)
    mixed, targets = Mixing(3, mixup_alpha=0, cutmix_alpha=0, label_smoothing=0)(
        video, torch.tensor([2])
    )
    assert torch.equal(mixed, grey_batch(1))
    assert targets.dtype == torch.float32
    assert targets.tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(("mixup_alpha", "cutmix_alpha"), [(0.8, 0), (0, 1.0)])
def test_targets_tell_the_share_of_each_clip_in_the_picture(
    mixup_alpha: float, cutmix_alpha: float
) -> None:
    mixing = Mixing(4, mixup_alpha=mixup_alpha, cutmix_alpha=cutmix_alpha, label_smoothing=0)
    torch.manual_seed(1)
    for _ in range(10):
        mixed, targets = mixing(grey_batch(), torch.arange(4))
        torch.testing.assert_close(own_shares(mixed), targets.diagonal(), atol=1e-5, rtol=0)
        torch.testing.assert_close(targets.sum(1), torch.ones(4))
        torch.testing.assert_close(targets.fliplr().diagonal(), 1 - targets.diagonal())


def test_mixed_targets_are_smoothed() -> None:
    torch.manual_seed(0)
    _, targets = Mixing(10, label_smoothing=0.1)(grey_batch(2), torch.tensor([0, 1]))
    torch.testing.assert_close(targets.sum(1), torch.ones(2))
    torch.testing.assert_close(targets[:, 2:], torch.full((2, 8), 0.01))


def test_cutmix_takes_one_box_for_all_frames_channels_and_clips() -> None:
    torch.manual_seed(2)
    mixed, _ = Mixing(4, mixup_alpha=0)(grey_batch(), torch.arange(4))
    own = mixed == grey_batch()
    assert not own.all()
    assert own.any()
    assert torch.equal(own, own[:1, :1, :1].expand_as(own))


def test_mixup_blends_whole_pictures() -> None:
    torch.manual_seed(2)
    mixed, _ = Mixing(4, cutmix_alpha=0)(grey_batch(), torch.arange(4))
    assert torch.equal(mixed, mixed[..., :1, :1].expand_as(mixed))


@pytest.mark.parametrize(("prob", "low", "high"), [(0.0, 0, 0), (0.5, 80, 120), (1.0, 200, 200)])
def test_cutmix_comes_with_its_probability(prob: float, low: int, high: int) -> None:
    torch.manual_seed(0)
    # A high alpha keeps the shares near one half, where a blend differs from either clip.
    mixing = Mixing(2, mixup_alpha=9.0, cutmix_alpha=9.0, cutmix_prob=prob)
    labels = torch.tensor([0, 1])
    boxes = 0
    for _ in range(200):
        mixed, _ = mixing(grey_batch(2, size=8), labels)
        boxes += int(((mixed == 0) | (mixed == 1)).all())
    assert low <= boxes <= high


def test_the_callers_batch_is_left_alone() -> None:
    video, labels = grey_batch(), torch.arange(4)
    Mixing(4)(video, labels)
    assert torch.equal(video, grey_batch())
    assert torch.equal(labels, torch.arange(4))


def test_mixing_follows_the_seed() -> None:
    batches = []
    for _ in range(2):
        torch.manual_seed(5)
        batches.append(Mixing(4)(grey_batch(), torch.arange(4)))
    assert torch.equal(batches[0][0], batches[1][0])
    assert torch.equal(batches[0][1], batches[1][1])


@pytest.mark.parametrize("cutmix_prob", [0.0, 1.0])
def test_bfloat16_stays_bfloat16_and_targets_are_float32(cutmix_prob: float) -> None:
    mixed, targets = Mixing(4, cutmix_prob=cutmix_prob)(
        grey_batch(dtype=torch.bfloat16), torch.arange(4)
    )
    assert mixed.dtype == torch.bfloat16
    assert targets.dtype == torch.float32


@pytest.mark.gpu
@pytest.mark.parametrize("cutmix_prob", [0.0, 1.0])
def test_mixing_stays_on_the_device(cutmix_prob: float) -> None:
    mixed, targets = Mixing(4, cutmix_prob=cutmix_prob)(grey_batch().cuda(), torch.arange(4).cuda())
    assert mixed.is_cuda
    assert targets.is_cuda


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"num_classes": 0}, "num_classes is 0, expected a whole number >= 1"),
        ({"mixup_alpha": -1}, "mixup_alpha is -1, expected a number >= 0, where 0 means off"),
        ({"cutmix_alpha": float("nan")}, "cutmix_alpha is nan, expected a number >= 0"),
        ({"cutmix_prob": 1.5}, "cutmix_prob is 1.5, expected 0 to 1"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0, expected 0 to below 1"),
    ],
)
def test_mixing_refuses_setting(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mixing(**{"num_classes": 4, **setting})


@pytest.mark.parametrize(
    ("video", "labels", "message"),
    [
        (grey_batch(1), torch.tensor([0]), "at least 2 clips per process; raise data.batch_size"),
        (grey_batch(2), torch.tensor([0, 4]), "labels from 0 to 4: expected 0 to 3"),
        (grey_batch(2), torch.tensor([-1, 0]), "labels from -1 to 0: expected 0 to 3"),
        (grey_batch(2), torch.tensor([0]), r"labels is torch.int64 \(1,\), expected integers"),
        (grey_batch(2), torch.tensor([0.0, 1.0]), "labels is torch.float32"),
        (grey_batch(2)[:, :, 0], torch.tensor([0, 1]), r"expected floating \(N, C, T, H, W\)"),
        (grey_batch(2).byte(), torch.tensor([0, 1]), r"video=torch.uint8"),
    ],
)
def test_mixing_refuses_batch(video: torch.Tensor, labels: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mixing(4)(video, labels)
