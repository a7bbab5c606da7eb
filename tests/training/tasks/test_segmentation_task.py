"""The task of segmentation: its loss, its exact evaluation, bad pictures."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from tiny_task import logged, make_trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from video_uniformer import SceneSpec, create_segmenter
from video_uniformer.data.image.scene_dataset import collate_scenes
from video_uniformer.outcomes import OK, SKIPPED, SUBSTITUTED
from video_uniformer.training.optim import adamw
from video_uniformer.training.schedules import poly_with_warmup
from video_uniformer.training.tasks.segmentation import Segmentation

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)
SPEC = SceneSpec(short_side=32, long_side=64, crop_size=32)
NAMES = ["dark", "bright", "red"]


def scene(index: int, *, height: int = 32, width: int = 32, status: int = OK) -> dict[str, Any]:
    """A picture whose left half is of class 0 and right half of class 1; the top row is ignored."""
    mask = torch.zeros(height, width, dtype=torch.int64)
    mask[:, width // 2 :] = 1
    mask[0] = 255
    noise = torch.randn(3, height, width, generator=torch.Generator().manual_seed(index))
    image = 0.1 * noise + (2.0 * (mask == 1) - 1)
    if status == SKIPPED:
        image, mask = torch.zeros_like(image), torch.full_like(mask, 255)
    return {
        "image": image,
        "mask": mask,
        "image_index": torch.tensor(index),
        "status": torch.tensor(status),
        "problem": "" if status == OK else f"reason {index}",
    }


class Scenes(lightning.LightningDataModule):
    """A few pictures, two a batch in training."""

    def __init__(self, items: list[dict[str, Any]], eval_batch_size: int = 1) -> None:
        super().__init__()
        self.class_names, self.items, self.eval_batch_size = NAMES, items, eval_batch_size

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.items, 2, collate_fn=collate_scenes)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(
            self.items,  # type: ignore[arg-type]
            self.eval_batch_size,
            collate_fn=collate_scenes,
        )

    test_dataloader = val_dataloader


def make_task(network: nn.Module | None = None, **settings: Any) -> Segmentation:
    torch.manual_seed(0)
    if network is None:
        network = create_segmenter("test", head="upernet", num_classes=3, dim=16)
    return Segmentation(
        network,
        optimizer=partial(adamw, lr=3e-3, batch_size=2, no_decay="norms"),
        schedule=partial(poly_with_warmup, warmup_steps=1),
        input=SPEC,
        **settings,
    )


def evaluate(root: Path, items: list[dict[str, Any]], **settings: Any) -> Mapping[str, float]:
    batch_size = settings.pop("eval_batch_size", 1)
    trainer = make_trainer(root)
    trainer.test(make_task(**settings), Scenes(items, batch_size), verbose=False)
    return logged(trainer)


class Fixed(nn.Module):
    """Class 1 where the first channel is above 0 at the middle of a cell, else class 0."""

    num_classes, config = 3, {}

    def forward(self, x: Tensor) -> Tensor:
        bright = x[:, :1, 2::4, 2::4].sign()
        return torch.cat([-bright, bright, torch.full_like(bright, -9)], 1)


def test_loss_is_the_mean_over_all_pixels_of_which_ignored_ones_count_nothing(
    tmp_path: Path,
) -> None:
    """Equal scores of three classes: log 3 for every labelled pixel, 31 of 32 rows."""

    class Even(Fixed):
        def __init__(self) -> None:
            super().__init__()
            self.scores = nn.Parameter(torch.zeros(3))

        def forward(self, x: Tensor) -> Tensor:
            shape = (len(x), 3, x.shape[2] // 4, x.shape[3] // 4)
            return self.scores.view(1, 3, 1, 1).expand(shape)

    task = make_task(Even())
    task.log_step = lambda *_, **__: None  # type: ignore[method-assign]
    loss = task.training_step(collate_scenes([scene(0), scene(1)]), 0)
    assert float(loss.detach()) == pytest.approx(torch.tensor(3.0).log().item() * 31 / 32)


def test_auxiliary_loss_is_added_with_its_weight() -> None:
    batch, losses = collate_scenes([scene(0), scene(1)]), []
    for weight in (0.0, 0.4, 0.8):
        task = make_task(auxiliary_weight=weight)
        task.log_step = lambda *_, **__: None  # type: ignore[method-assign]
        task.network.eval()
        torch.manual_seed(0)
        task.network.training = True  # the heads' batch norms stay in evaluation mode
        losses.append(float(task.training_step(batch, 0).detach()))
    assert losses[1] - losses[0] == pytest.approx((losses[2] - losses[0]) / 2)
    assert losses[1] > losses[0]


def test_two_kinds_of_pixels_are_told_apart_after_a_short_training(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, max_epochs=20)
    trainer.fit(make_task(), Scenes([scene(index) for index in range(4)]))
    found = logged(trainer)
    assert found["val/miou"] > 0.9
    assert (found["val/evaluated"], found["val/listed"]) == (4, 4)


def test_network_that_is_right_everywhere_scores_one(tmp_path: Path) -> None:
    metrics = evaluate(tmp_path, [scene(0), scene(1, height=48, width=64)], network=Fixed())
    assert metrics["test/miou"] == metrics["test/accuracy"] == metrics["test/mean_accuracy"] == 1


def test_scores_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    """Of pictures of different sizes, too."""
    items = [scene(n, height=32 + 16 * (n % 2), width=64) for n in range(5)]
    one, three = (evaluate(tmp_path, items, eval_batch_size=size) for size in (1, 3))
    assert one == three


def test_skipped_pictures_count_in_nothing(tmp_path: Path) -> None:
    good = [scene(0), scene(2)]
    bad = scene(1, status=SKIPPED)
    with_bad = evaluate(tmp_path, [good[0], bad, good[1]])
    assert (with_bad["test/evaluated"], with_bad["test/listed"]) == (2, 3)
    assert with_bad["test/miou"] == evaluate(tmp_path, good)["test/miou"]


def test_training_goes_on_where_all_pictures_of_a_step_are_skipped(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    items = [scene(0, status=SKIPPED), scene(1, status=SKIPPED), scene(2), scene(3)]
    trainer.fit(make_task(), Scenes(items))
    assert trainer.global_step == 2


def test_picture_that_is_left_alone_by_a_skipped_one_costs_the_step_only(tmp_path: Path) -> None:
    """Its coarsest pool has one value per channel, of which a batch norm makes nothing."""
    trainer = make_trainer(tmp_path)
    items = [scene(0, status=SKIPPED), scene(1), scene(2), scene(3)]
    trainer.fit(make_task(), Scenes(items))
    assert trainer.global_step == 2


def test_evaluation_refuses_substitutes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sample 1 was substituted"):
        evaluate(tmp_path, [scene(0), scene(1, status=SUBSTITUTED)])


def test_flips_average_the_mirrored_picture(tmp_path: Path) -> None:
    """A network that looks one cell to the left is put right by its mirror image at the border."""

    class Shifted(Fixed):
        def forward(self, x: Tensor) -> Tensor:
            scores = super().forward(x)
            return torch.cat([scores[..., :1], scores[..., :-1]], -1)

    plain, flipped = (
        evaluate(tmp_path, [scene(0)], network=Shifted(), flips=flips) for flips in (False, True)
    )
    assert flipped["test/accuracy"] > plain["test/accuracy"]


def test_several_scales_are_averaged(tmp_path: Path) -> None:
    """One scale right, one undecided."""
    item = scene(0)
    item["image"] = [item["image"], torch.zeros(3, 64, 64)]
    assert evaluate(tmp_path, [item], network=Fixed())["test/miou"] == 1


def test_checkpoint_describes_the_segmenter(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.fit(make_task(), Scenes([scene(0), scene(1)]))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    network = create_segmenter(weights=tmp_path / "a.ckpt")
    said = network.description
    assert (said.task, said.input) == ("segmentation", SPEC)
    assert said.class_names == tuple(NAMES)
