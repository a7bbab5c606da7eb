"""A network trained on pictures starts one for videos."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_task import make_trainer
from torch.utils.data import DataLoader

from video_uniformer import ImageSpec, create_uniformer
from video_uniformer.training.optim import adamw, epoch_cosine
from video_uniformer.training.tasks.classification import Classification
from video_uniformer.weights.loading import load_weights
from video_uniformer.weights.reading import open_checkpoint

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:You defined a .validation_step.",
    "ignore:.*LeafSpec.*:FutureWarning",
)


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, Classification]:
    torch.manual_seed(0)
    task = Classification(
        create_uniformer("test", ndim=2, num_classes=2),
        optimizer=partial(adamw, lr=1e-2, batch_size=4),
        schedule=partial(epoch_cosine, warmup_epochs=0),
        input=ImageSpec(64),
    )
    items: list[dict[str, Any]] = [
        {
            "image": torch.randn(3, 64, 64) + index % 2,
            "label": torch.tensor(index % 2),
            "image_index": torch.tensor(index),
        }
        for index in range(8)
    ]
    trainer = make_trainer(tmp_path, limit_val_batches=0)
    trainer.fit(task, DataLoader(items, batch_size=4))  # type: ignore[arg-type]
    trainer.save_checkpoint(tmp_path / "images.ckpt")
    return tmp_path / "images.ckpt", task


def test_checkpoint_says_that_it_is_of_pictures(trained: tuple[Path, Classification]) -> None:
    said = open_checkpoint(trained[0]).description
    assert (said.task, said.input) == ("image_classification", ImageSpec(64))


def test_still_clip_has_the_features_of_its_picture(trained: tuple[Path, Classification]) -> None:
    path, task = trained
    images = task.network.eval()
    videos = create_uniformer("test", num_classes=5)
    report = load_weights(videos, path, inflation="center", reset_head=True)
    assert report.inflated
    assert not report.missing
    picture = torch.randn(2, 3, 64, 64)
    clip = picture.unsqueeze(2).expand(-1, -1, 4, -1, -1)
    with torch.inference_mode():
        theirs = images.forward_features(picture)  # type: ignore[operator]
        ours = videos.eval().forward_features(clip)
    assert torch.allclose(ours, theirs.unsqueeze(2).expand_as(ours), atol=5e-6)
