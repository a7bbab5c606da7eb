"""MixUp and CutMix on a batch of clips; labels become probabilities."""

import math

import torch
from pytorchvideo.transforms.functional import convert_to_one_hot
from pytorchvideo.transforms.mix import CutMix, MixUp, MixVideo


class Mixing:
    """Mix each clip of a batch with its partner from the other end, and their labels likewise.

    Clip i is mixed with clip N-1-i: blended by MixUp (arXiv 1710.09412), or given a box of its
    partner in all frames by CutMix (arXiv 1905.04899). One kind, one strength and one box hold for
    the whole batch. The kinds are PyTorchVideo's, whose rules are the published ones (official
    `slowfast/datasets/mixup.py`). Random numbers come from torch's global CPU generator.

    Args:
        num_classes: Classes K.
        mixup_alpha: The share of the clip itself is Beta(alpha, alpha); 0 switches MixUp off.
        cutmix_alpha: The same for CutMix.
        cutmix_prob: Probability of CutMix in a batch when both kinds are on.
        label_smoothing: Share s of a label spread evenly over all classes: 1 - s + s/K for the
            right class, s/K for the others. With both kinds off, smoothing is all that is done.

    Shape:
        video (N, C, T, H, W) floating and labels (N,) integer -> video of the same shape and type
        (a new tensor if it is mixed) and float32 targets (N, K) whose rows sum to one.

    Raises:
        ValueError: An argument is out of range; at the call: the shapes or types are others, a
            label is not one of the K classes, or a batch of one clip is to be mixed.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        mixup_alpha: float = 0.8,
        cutmix_alpha: float = 1.0,
        cutmix_prob: float = 0.5,
        label_smoothing: float = 0.1,
    ) -> None:
        if type(num_classes) is not int or num_classes < 1:
            raise ValueError(f"num_classes is {num_classes!r}, expected a whole number >= 1")
        if not 0 <= cutmix_prob <= 1:
            raise ValueError(f"cutmix_prob is {cutmix_prob!r}, expected 0 to 1")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing is {label_smoothing!r}, expected 0 to below 1")
        _check_alpha("mixup_alpha", mixup_alpha)
        _check_alpha("cutmix_alpha", cutmix_alpha)
        self.num_classes = num_classes
        self.label_smoothing = label_smoothing
        self._mix: torch.nn.Module | None = None
        if mixup_alpha and cutmix_alpha:
            self._mix = MixVideo(
                cutmix_prob, mixup_alpha, cutmix_alpha, label_smoothing, num_classes
            )
        elif mixup_alpha or cutmix_alpha:
            kind = MixUp if mixup_alpha else CutMix
            self._mix = kind(mixup_alpha or cutmix_alpha, label_smoothing, num_classes)

    def __call__(
        self, video: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mix a batch; see the class."""
        self._check(video, labels)
        if self._mix is None:
            return video, convert_to_one_hot(labels, self.num_classes, self.label_smoothing).float()
        # A copy, because PyTorchVideo mixes in place and the caller's batch should stay as it was.
        mixed, targets = self._mix(video.clone(), labels)
        return mixed, targets.float()

    def _check(self, video: torch.Tensor, labels: torch.Tensor) -> None:
        if video.ndim != 5 or not video.is_floating_point():
            raise ValueError(
                f"video={video.dtype} {tuple(video.shape)}: expected floating (N, C, T, H, W)"
            )
        integer = not (labels.is_floating_point() or labels.dtype == torch.bool)
        if labels.shape != video.shape[:1] or not integer:
            raise ValueError(
                f"labels is {labels.dtype} {tuple(labels.shape)}, expected integers, one for "
                f"each of {len(video)} clips"
            )
        if self._mix is not None and len(video) < 2:
            raise ValueError(
                f"video={tuple(video.shape)}: mixing takes at least 2 clips per process; "
                "raise data.batch_size or the number of views, or switch mixing off"
            )
        lowest, highest = torch.stack(labels.aminmax()).tolist()
        if lowest < 0 or highest >= self.num_classes:
            raise ValueError(
                f"labels from {lowest} to {highest}: expected 0 to {self.num_classes - 1}"
            )


def _check_alpha(name: str, alpha: float) -> None:
    if not 0 <= alpha < math.inf:
        raise ValueError(f"{name} is {alpha!r}, expected a number >= 0, where 0 means off")
