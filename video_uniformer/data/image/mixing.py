"""Mixup and CutMix of pictures, timm's."""

import torch
from timm.data.mixup import Mixup, mixup_target
from torch import Tensor


class Mixing:
    """Mix a batch of pictures as published: one kind, share and box for the whole batch.

    timm's `Mixup`, which draws from NumPy. Source: official `image_classification/main.py`.

    Args:
        num_classes: K.
        mixup_alpha: The share of the picture itself is Beta(alpha, alpha); 0 switches MixUp off.
        cutmix_alpha: The same for CutMix.
        cutmix_prob: Probability of CutMix in a batch when both kinds are on.
        label_smoothing: Share s of a label spread evenly over all classes. With both kinds off,
            smoothing is all that is done.

    Shape:
        images (N, C, H, W) floating and labels (N,) integer -> new images and targets (N, K) whose
        rows sum to one. Of an odd number the last is not mixed.

    Raises:
        ValueError: An argument is out of range.
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
        for name, alpha in {"mixup_alpha": mixup_alpha, "cutmix_alpha": cutmix_alpha}.items():
            if not alpha >= 0:
                raise ValueError(f"{name} is {alpha!r}, expected a number >= 0, where 0 means off")
        shares = {"cutmix_prob": cutmix_prob, "label_smoothing": label_smoothing}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is {share!r}, expected 0 to 1")
        self.num_classes, self.label_smoothing = num_classes, label_smoothing
        self._mix: Mixup | None = None
        if mixup_alpha or cutmix_alpha:
            self._mix = Mixup(
                mixup_alpha,
                cutmix_alpha,
                switch_prob=cutmix_prob,
                label_smoothing=label_smoothing,
                num_classes=num_classes,
            )

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a batch; see the class."""
        num_mixed = len(images) // 2 * 2 if self._mix is not None else 0
        plain = mixup_target(labels, self.num_classes, smoothing=self.label_smoothing)
        if self._mix is None or not num_mixed:
            return images, plain
        mixed = images.clone()  # timm mixes in place
        mixed[:num_mixed], targets = self._mix(mixed[:num_mixed].clone(), labels[:num_mixed])
        return mixed, torch.cat([targets, plain[num_mixed:]])
