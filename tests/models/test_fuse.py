import pytest
import torch
from torch import nn

from video_uniformer.models.fuse import fuse_for_inference
from video_uniformer.models.uniformer import UniFormer, create_uniformer


def trained_network(*, ndim: int = 3, num_classes: int = 5) -> UniFormer:
    """A network whose norms, statistics and biases are all off their initial values."""
    torch.manual_seed(0)
    network = create_uniformer("tiny", ndim=ndim, num_classes=num_classes)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.running_mean = torch.randn(module.num_features)
            module.running_var = torch.rand(module.num_features) + 0.5
    for parameter in network.parameters():
        if parameter.ndim == 1:
            parameter.data += 0.2 * torch.randn_like(parameter)
    return network


def clip(ndim: int) -> torch.Tensor:
    return torch.randn(2, 3, *(5, 70, 50)[-ndim:])


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("num_classes", [0, 5])
def test_fused_network_gives_the_same_outputs(ndim: int, num_classes: int) -> None:
    network = trained_network(ndim=ndim, num_classes=num_classes).eval()
    fused, video = fuse_for_inference(network), clip(ndim)
    with torch.inference_mode():
        expected, output = network(video), fused(video)
    assert (output - expected).abs().max() <= 5e-6 * expected.abs().max()


def test_fused_network_gives_the_same_maps() -> None:
    network = trained_network().eval()
    video = clip(3)
    maps = zip(
        network.forward_stages(video),
        fuse_for_inference(network).forward_stages(video),
        strict=True,
    )
    for expected, output in maps:
        assert (output - expected).abs().max() <= 5e-6 * expected.abs().max()


def test_fused_network_has_no_batch_norm_and_no_addition_for_dpe() -> None:
    fused = fuse_for_inference(trained_network())
    names = [type(module).__name__ for module in fused.modules()]
    assert not {"BatchNorm3d", "DPE"} & set(names)


def test_fusing_without_classes_keeps_only_the_last_batch_norm() -> None:
    fused = fuse_for_inference(trained_network(num_classes=0))
    norms = [n for n, module in fused.named_modules() if isinstance(module, nn.BatchNorm3d)]
    assert norms == ["norm"]


def test_fusing_leaves_the_original_as_it_is() -> None:
    network = trained_network().train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    fused = fuse_for_inference(network)
    assert network.training
    assert not fused.training
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_fused_network_can_be_fused_again() -> None:
    fused, video = fuse_for_inference(trained_network()), clip(3)
    assert torch.allclose(fuse_for_inference(fused)(video), fused(video), atol=1e-6)
