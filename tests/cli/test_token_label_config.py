"""The configs of a training with token labels."""

from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from video_uniformer.training.token_labels import TokenLabelLoss

CONF = Path(__file__).parents[2] / "conf"


def test_task_and_data_of_token_labels_are_built(tmp_path: Path) -> None:
    choices = ["data=imagenet_token_labels", "task=token_labeling", "model=uniformer_image"]
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose("config", [*choices, f"data.root={tmp_path}"])
    loss = instantiate(config.task.token_labels, _convert_="all")
    assert isinstance(loss, TokenLabelLoss)
    assert (loss.num_classes, loss.transposes_boxes, config.task.mixing) == (1000, True, None)
    transform = instantiate(config.data.datasets.train.transform, _convert_="all")
    labels = transform.keywords["labels"]
    assert (labels.shape, labels.label_root) == ((5, 18, 18), tmp_path / "token_labels")
