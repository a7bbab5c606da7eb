"""Training with token labels: targets from label maps, and the loss on MixToken's outputs.

Jiang et al., "All Tokens Matter: Token Labeling for Training Better Vision Transformers" (arXiv
2104.10858); numerics as of the authors' `token_labeling/tlt`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import roi_align

from video_uniformer.models.uniformer.mix_token import MixedLogits, TokenBox, draw_box

STEM_STRIDE = 4  # from the input to the map that is mixed


class MixingNetwork(Protocol):
    """A network that mixes its batch inside, as a `UniFormer` with token labels does."""

    def forward_mixed(self, x: Tensor, box: TokenBox) -> MixedLogits:
        """Outputs of images (B, 3, H, W), mixed in a box of cells of H/4 x W/4."""


class TokenTargets(NamedTuple):
    """Soft labels of a batch.

    Attributes:
        classes: (B, K), of the whole crop.
        tokens: (B, N, K), of each token, row by row.
    """

    classes: Tensor
    tokens: Tensor


class TokenLabelLoss:
    """Mix a batch inside the network, and take the losses of its class and of its tokens.

    Args:
        num_classes: K.
        label_smoothing: Share s of a label spread evenly over all classes.
        class_weight: Weight of the cross entropy of the class.
        token_weight: Weight of the cross entropy of the tokens, averaged over these.
        transposes_boxes: Read crops as published, columns for rows; see `map_targets`.
        mix_prob: Probability that a batch is mixed; published: 1. On a last map of few tokens, a
            box of whole tokens says little of the box that was mixed.

    Shape:
        images (N, 3, H, W) and a batch with `label` (N,) and, unless all samples have none,
        `label_map` (N, 2, k, h, w), `label_box` (N, 4) and `has_label_map` (N,) -> the loss (),
        class logits (N, K), and targets (N, K): the plain labels as mixed, to count hits with.

    Raises:
        ValueError: An argument is out of range; at a call, the network has no token classifier.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        label_smoothing: float = 0.1,
        class_weight: float = 1.0,
        token_weight: float = 1.0,
        transposes_boxes: bool = True,
        mix_prob: float = 1.0,
    ) -> None:
        if type(num_classes) is not int or num_classes < 1:
            raise ValueError(f"num_classes is {num_classes!r}, expected a whole number >= 1")
        for name, share in {"label_smoothing": label_smoothing, "mix_prob": mix_prob}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} is {share!r}, expected 0 to 1")
        weights = {"class_weight": class_weight, "token_weight": token_weight}
        for name, weight in weights.items():
            if not weight >= 0:
                raise ValueError(f"{name} is {weight!r}, expected a number >= 0")
        self.num_classes, self.label_smoothing = num_classes, label_smoothing
        self.class_weight, self.token_weight = class_weight, token_weight
        self.transposes_boxes, self.mix_prob = transposes_boxes, mix_prob

    def __call__(
        self, network: nn.Module, images: Tensor, batch: Mapping[str, Any]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Loss, class logits and targets of a batch; see the class."""
        height, width = images.shape[-2:]
        box = TokenBox(0, 0, 0, 0)
        if torch.rand(()) < self.mix_prob:
            box = draw_box(height // STEM_STRIDE, width // STEM_STRIDE)
        outputs = cast(MixingNetwork, network).forward_mixed(images, box)
        loss = self.loss(outputs, self.targets(batch, outputs.size))
        plain = F.one_hot(batch["label"], self.num_classes).float()
        return loss, outputs.logits, mixed_with_reverse(plain, outputs)

    @torch.no_grad()
    def targets(self, batch: Mapping[str, Any], size: tuple[int, int]) -> TokenTargets:
        """Targets of a batch; a sample without a label map has its plain label everywhere.

        Args:
            batch: See the class.
            size: Rows and columns of the tokens.
        """
        labels = F.one_hot(batch["label"], self.num_classes).float()
        plain = labels * (1 - self.label_smoothing) + self.label_smoothing / self.num_classes
        plain_tokens = plain.unsqueeze(1).expand(-1, size[0] * size[1], -1)
        if "label_map" not in batch:
            return TokenTargets(plain, plain_tokens)
        found = map_targets(
            batch["label_map"],
            batch["label_box"],
            num_classes=self.num_classes,
            size=size,
            label_smoothing=self.label_smoothing,
            transposes_boxes=self.transposes_boxes,
        )
        has_map = batch["has_label_map"].view(-1, 1)
        return TokenTargets(
            torch.where(has_map, found.classes, plain),
            torch.where(has_map.unsqueeze(2), found.tokens, plain_tokens),
        )

    def loss(self, outputs: MixedLogits, targets: TokenTargets) -> Tensor:
        """The weighted sum of both cross entropies."""
        classes = mixed_with_reverse(targets.classes, outputs)
        class_loss = F.cross_entropy(outputs.logits.float(), classes)
        token_logits = outputs.token_logits.float().flatten(0, 1)
        token_loss = F.cross_entropy(token_logits, targets.tokens.flatten(0, 1))
        return self.class_weight * class_loss + self.token_weight * token_loss


def mixed_with_reverse(targets: Tensor, outputs: MixedLogits) -> Tensor:
    """Targets (B, K) of the mixed features, by the share of the tokens that are a sample's own."""
    # Official: cross_entropy.py counts the box on the last map, not the one that was mixed.
    own = 1 - outputs.box.area / (outputs.size[0] * outputs.size[1])
    return own * targets + (1 - own) * targets.flip(0)


def map_targets(
    label_maps: Tensor,
    boxes: Tensor,
    *,
    num_classes: int,
    size: tuple[int, int],
    label_smoothing: float = 0.1,
    transposes_boxes: bool = True,
) -> TokenTargets:
    """What label maps say of crops: one soft label of the whole, and one of each token.

    Args:
        label_maps: (B, 2, k, n, n), scores and class numbers of the k best at each place.
        boxes: (B, 4), top, left, height and width of the crops as shares of the picture.
        num_classes: K.
        size: Rows and columns of the tokens.
        label_smoothing: As in `TokenLabelLoss`.
        transposes_boxes: Take the top of a box for its left side and so on, as published; False
            reads what the crop shows.

    Raises:
        ValueError: The maps are of another shape.
    """
    shape = tuple(label_maps.shape)
    if len(shape) != 5 or shape[1] != 2 or shape[3] != shape[4]:
        raise ValueError(f"label maps have shape {shape}, expected (B, 2, k, n, n)")
    scores, classes = label_maps.float().unbind(1)
    dense = scores.new_zeros(len(scores), num_classes, *scores.shape[2:])
    dense.scatter_(1, classes.long(), scores)
    top, left, height, width = boxes.float().unbind(1)
    corners = [left, top, left + width, top + height]
    if transposes_boxes:
        # Official: mixup.py hands (y, x) to roi_align, which takes (x, y).
        corners = [top, left, top + height, left + width]
    # Official: half a cell is taken off here, as roi_align would by itself if asked (aligned).
    rois = list((torch.stack(corners, 1) * dense.shape[-1] - 0.5).unsqueeze(1))
    whole = roi_align(dense, rois, (1, 1)).flatten(1)  # (B, K)
    tokens = roi_align(dense, rois, size).flatten(2).transpose(1, 2)  # (B, N, K)
    spread = label_smoothing / num_classes
    # Official: mixup.py takes the smoothed one of a label for the factor, and adds the spread to
    # that: the sum of a target is a little above 1.
    factor = 1 - label_smoothing + spread
    return TokenTargets(whole.softmax(1) * factor + spread, tokens.softmax(2) * factor + spread)
