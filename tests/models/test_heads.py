import torch

from video_uniformer.models.heads import ClassificationHead


def test_head_classifies_the_mean_over_positions() -> None:
    head, video = ClassificationHead(4, 3), torch.randn(2, 4, 2, 3, 5)
    assert torch.allclose(head(video), head.proj(video.mean((2, 3, 4))), atol=1e-6)


def test_head_serves_images() -> None:
    head, image = ClassificationHead(4, 3), torch.randn(2, 4, 3, 5)
    assert torch.allclose(head(image), head.proj(image.mean((2, 3))), atol=1e-6)


def test_head_without_classes_gives_features_and_has_no_parameters() -> None:
    head, video = ClassificationHead(4, 0), torch.randn(2, 4, 2, 3, 5)
    assert torch.equal(head(video), head(video, pre_logits=True))
    assert not list(head.parameters())
