"""Our backbones under the decoders of other libraries, which find them by timm's registry."""

import pytest
import torch
from torch import nn

import video_uniformer.weights.timm  # noqa: F401 (registers the networks)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
NAME = "uniformer_xxs"


def train_once(network: nn.Module, logits: torch.Tensor) -> None:
    """A step's gradients reach the first and the last stage of the backbone."""
    nn.functional.cross_entropy(logits, torch.zeros(2, 64, 96, dtype=torch.int64)).backward()
    reached = {n for n, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert any("stages_0" in name or "stages.0" in name for name in reached)
    assert any("stages_3" in name or "stages.3" in name for name in reached)


@pytest.mark.parametrize("decoder", ["FPN", "Unet", "UPerNet"])
def test_decoder_of_segmentation_models_takes_the_backbone(decoder: str) -> None:
    library = pytest.importorskip("segmentation_models_pytorch")
    create = getattr(library, decoder)
    network = create(f"tu-{NAME}", encoder_weights=None, classes=3)
    logits = network(torch.rand(2, 3, 64, 96))
    assert logits.shape == (2, 3, 64, 96)
    train_once(network, logits)


def test_upernet_of_transformers_takes_the_backbone() -> None:
    library = pytest.importorskip("transformers")
    backbone = library.TimmBackboneConfig(
        backbone=NAME, out_indices=(0, 1, 2, 3), use_pretrained_backbone=False
    )
    config = library.UperNetConfig(
        backbone_config=backbone, num_labels=3, hidden_size=32, auxiliary_in_channels=224
    )
    network = library.UperNetForSemanticSegmentation(config)
    logits = network(torch.rand(2, 3, 64, 96)).logits
    assert logits.shape == (2, 3, 64, 96)
    train_once(network, logits)
