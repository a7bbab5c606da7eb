"""The task of pose: its loss, its evaluation by COCO's rules, bad pictures."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_persons import FIVE, HEIGHT, WIDTH, coco, person, write
from PIL import Image
from tiny_task import logged, make_trainer
from torch import Tensor, nn

from video_uniformer import PersonSpec, create_pose_network
from video_uniformer.data.annotations import read_coco_keypoints
from video_uniformer.data.image.person_dataset import PersonDataset
from video_uniformer.data.image.person_transforms import person_eval_transform
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.training.datamodule import DataModule
from video_uniformer.training.metrics.keypoints import KeypointEvaluation
from video_uniformer.training.optim import adamw
from video_uniformer.training.schedules import step_with_warmup
from video_uniformer.training.tasks.pose import Pose

pytest.importorskip("pycocotools")
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*LeafSpec.*:FutureWarning"
)
SPEC = PersonSpec(height=64, width=64, sigma=1.5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four pictures, each with a person whose joints are bright squares of their own colours."""
    colours = [(255, 60, 60), (60, 255, 60), (60, 60, 255), (255, 255, 60), (60, 255, 255)]
    persons = []
    for number in range(1, 5):
        # One in each, for the number moves the box.
        stated = person(number, image_id=number, area=2000)
        pixels = np.full((HEIGHT, WIDTH, 3), 20 * number, np.uint8)
        for colour, (x, y, _) in zip(colours, np.reshape(stated["keypoints"], (5, 3)), strict=True):
            pixels[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4] = colour
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        persons.append(stated)
    write(tmp_path / "persons.json", coco(persons, images=4))
    return tmp_path


def data(root: Path, policy: str = "raise") -> DataModule:
    annotations = partial(read_coco_keypoints, "persons.json", ".", skeleton=FIVE)
    create = partial(
        PersonDataset, annotations, transform=person_eval_transform(SPEC, FIVE), seed=0
    )
    return DataModule(
        root=root,
        datasets={"train": create, "val": create, "test": create},
        batch_size=4,
        eval_batch_size=3,
        num_workers=0,
        decoder=None,
        bad_samples=BadSamplePolicy(policy, budget=1.0),
    )


def make_task(root: Path, network: nn.Module | None = None, **settings: Any) -> Pose:
    torch.manual_seed(0)
    if network is None:
        network = create_pose_network("test", num_joints=5, dim=16)
    return Pose(
        network,
        optimizer=partial(adamw, lr=5e-3, batch_size=4, no_decay="none"),
        schedule=partial(step_with_warmup, drop_epochs=[90], warmup_steps=1),
        input=SPEC,
        skeleton=FIVE,
        evaluation=partial(KeypointEvaluation, root / "persons.json"),
        **settings,
    )


class Kept:
    """Keeps the scores of joints that it is given."""

    scores: Tensor

    def update(self, index: Tensor, *, scores: Tensor, **others: Any) -> None:
        self.scores = scores


class Stub(nn.Module):
    """Gives the same heatmaps of every person."""

    num_classes, config = 5, {}

    def __init__(self, heatmaps: Tensor) -> None:
        super().__init__()
        self.heatmaps = nn.Parameter(heatmaps)

    def forward(self, x: Tensor) -> Tensor:
        return self.heatmaps.expand(len(x), -1, -1, -1)


def test_loss_is_the_mean_of_squared_weighted_differences(root: Path) -> None:
    """Of 2 persons, 5 joints, 16 x 16 cells: the joint without weight counts as right."""
    task = make_task(root, Stub(torch.zeros(5, 16, 16)))
    task.log_step = lambda *_, **__: None  # type: ignore[method-assign]
    heatmaps = torch.zeros(2, 5, 16, 16)
    heatmaps[0, 0, 3, 4], heatmaps[0, 1, 3, 4], heatmaps[1, 2, 5, 5] = 1.0, 1.0, 0.5
    weights = torch.ones(2, 5)
    weights[0, 1] = 0
    batch = {
        "image": torch.zeros(2, 3, 64, 64),
        "heatmaps": heatmaps,
        "weights": weights,
        "image_index": torch.arange(2),
    }
    loss = task.training_step(batch, 0)
    assert float(loss.detach()) == pytest.approx((1.0 + 0.25) / (2 * 5 * 16 * 16))


def test_joints_are_found_after_a_short_training(root: Path) -> None:
    trainer = make_trainer(root, max_epochs=60, check_val_every_n_epoch=60)
    trainer.fit(make_task(root), data(root))
    found = logged(trainer)
    assert found["val/ap"] > 0.8
    assert (found["val/evaluated"], found["val/listed"]) == (4, 4)
    trainer.save_checkpoint(root / "a.ckpt")
    said = create_pose_network(weights=root / "a.ckpt").description
    assert (said.task, said.input, said.skeleton) == ("pose", SPEC, FIVE)
    assert said.class_names == FIVE.joints


def test_mirrored_person_is_seen_too(root: Path) -> None:
    """What stands left of the middle is found right of it where pairs change places."""
    heatmaps = torch.zeros(5, 16, 16)
    heatmaps[:, 8, 4] = 1.0
    heatmaps[1, 8, 4] = 3.0
    scores, batch = {}, next(iter(data(root).val_dataloader()))
    for flips in (False, True):
        task, kept = make_task(root, Stub(heatmaps), flips=flips), Kept()
        task.score(batch, task.network, kept)  # type: ignore[arg-type]
        scores[flips] = kept.scores[0].tolist()
    assert scores[False] == [1.0, 3.0, 1.0, 1.0, 1.0]
    assert scores[True] == [0.5, 1.5, 1.5, 0.5, 0.5]


def test_skipped_persons_are_told_and_left_out(root: Path) -> None:
    (root / "2.png").write_bytes(b"no picture")
    trainer = make_trainer(root)
    trainer.test(make_task(root), data(root, "skip"), verbose=False)
    found = logged(trainer)
    assert (found["test/evaluated"], found["test/listed"]) == (3, 4)


def test_training_goes_on_where_all_persons_of_a_step_are_skipped(root: Path) -> None:
    for number in range(1, 5):
        (root / f"{number}.png").write_bytes(b"no picture")
    trainer = make_trainer(root, limit_val_batches=0)
    trainer.fit(make_task(root), data(root, "skip"))
    assert trainer.global_step == 1
