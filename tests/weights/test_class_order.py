"""Labels travel with weights: the same classes in another order are put right, others refused."""

from typing import Any

import pytest
import torch
from kinds import build, scramble, views
from torch import Tensor, nn

from video_uniformer.labels.names import shipped_class_names
from video_uniformer.weights.build import create_uniformer
from video_uniformer.weights.keys import to_published_names
from video_uniformer.weights.loading import class_order, load_weights
from video_uniformer.weights.reading import Checkpoint, identify
from video_uniformer.weights.zoo import find_release

NAMES = ["zipping", "adding", "moving up", "barking", "running (fast)"]
KINDS = ["video", "image_token_labels", "video_light"]


def named(network: Any, names: list[str]) -> Checkpoint:
    """What training saves: weights and the names of their classes."""
    saved = {"state_dict": network.state_dict(), "description": {"class_names": names}}
    return identify(saved, "a.ckpt")


def auxiliary(network: Any, x: Tensor) -> Tensor:
    """Logits of the second classifier."""
    second: Tensor = network.forward_auxiliary(x)[1]
    return second


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_orders_of_the_classes_give_the_same_logits_per_class(kind: str) -> None:
    trained, other = build(kind).eval(), build(kind).eval()
    scramble(trained)
    map_ = torch.randn(3, 64, *(1, 2, 2)[-trained.ndim :])  # what the head reads
    expected = trained.head(map_)
    generator, checkpoint = torch.Generator().manual_seed(6), named(trained, NAMES)
    for _ in range(100):
        order = torch.randperm(5, generator=generator).tolist()
        names = [NAMES[place] for place in order]
        report = load_weights(other, checkpoint, class_names=names)
        torch.testing.assert_close(other.head(map_), expected[:, order], rtol=1e-5, atol=1e-6)
        assert other.description.class_names == tuple(names)
        assert report.reordered == (order != sorted(order))


@pytest.mark.parametrize("kind", KINDS)
def test_whole_network_gives_each_class_its_logit(kind: str) -> None:
    trained, other = build(kind).eval(), build(kind).eval()
    scramble(trained)
    load_weights(other, named(trained, NAMES), class_names=sorted(NAMES))
    x = views(trained.ndim)
    places = [NAMES.index(name) for name in sorted(NAMES)]
    # A product may round otherwise where its columns stand in another order.
    torch.testing.assert_close(other(x), trained(x)[:, places], rtol=1e-5, atol=1e-6)
    if kind != "video":
        ours, theirs = auxiliary(other, x), auxiliary(trained, x)[..., places]
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_hundred_orders_of_the_classes_give_the_same_accuracy() -> None:
    trained, other = build("video").eval(), build("video").eval()
    generator = torch.Generator().manual_seed(7)
    maps = torch.randn(200, 64, 1, 1, 1, generator=generator)
    answers = [NAMES[place] for place in torch.randint(5, (200,), generator=generator)]

    def accuracy(network: Any, names: list[str]) -> float:
        said = [names[place] for place in network.head(maps).argmax(1)]
        return sum(one == two for one, two in zip(said, answers, strict=True)) / 200

    expected, checkpoint = accuracy(trained, NAMES), named(trained, NAMES)
    assert 0.1 < expected < 0.3
    for _ in range(100):
        names = [NAMES[place] for place in torch.randperm(5, generator=generator)]
        load_weights(other, checkpoint, class_names=names)
        assert accuracy(other, names) == expected


def test_remapping_is_said_in_the_report() -> None:
    trained, other = build("video"), build("video")
    report = load_weights(other, named(trained, NAMES), class_names=sorted(NAMES))
    assert str(report).endswith(
        "same classes in another order: the head was reordered to the data's"
    )


def test_same_order_is_left_alone_and_not_spoken_of() -> None:
    trained, other = build("video"), build("video")
    report = load_weights(other, named(trained, NAMES), class_names=NAMES)
    assert not report.reordered
    assert "order" not in str(report)
    assert torch.equal(other.head.proj.weight, trained.head.proj.weight)


def test_backbone_is_left_as_it_is() -> None:
    trained, other = build("video_light"), build("video_light")
    load_weights(other, named(trained, NAMES), class_names=sorted(NAMES))
    own = other.state_dict()
    for key, value in trained.state_dict().items():
        if not key.startswith("head.") or "cls_norm" in key:
            assert torch.equal(own[key], value)


def test_underscores_count_as_spaces() -> None:
    folders = sorted(name.replace(" ", "_") for name in NAMES)
    trained, other = build("video"), build("video")
    load_weights(other, named(trained, NAMES), class_names=folders)
    places = [NAMES.index(name.replace("_", " ")) for name in folders]
    assert torch.equal(other.head.proj.weight, trained.head.proj.weight[places])
    assert other.description.class_names == tuple(folders)


def test_names_of_the_weights_stay_where_the_data_has_none() -> None:
    trained, other = build("video"), build("video")
    load_weights(other, named(trained, NAMES))
    assert other.description.class_names == tuple(NAMES)


def test_weights_without_names_take_those_of_the_data() -> None:
    trained, other = build("video"), build("video")
    report = load_weights(other, trained.state_dict(), class_names=NAMES)
    assert not report.reordered
    assert other.description.class_names == tuple(NAMES)
    assert torch.equal(other.head.proj.weight, trained.head.proj.weight)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["a", "b", "c", "d", "e"],
            r"a.ckpt was trained on 5 classes and the data has 5, 5 of them unknown to it "
            r"\(first 'a'\); expected the same names: other classes need a new head \(reset_head",
        ),
        ([*NAMES[:4], "walking"], r"1 of them unknown to it \(first 'walking'\)"),
        (NAMES[:4], "trained on 5 classes and the data has 4; expected the same names"),
        ([*NAMES, "walking"], "trained on 5 classes and the data has 6, 1 of them unknown"),
        ([*NAMES[:4], "Running (fast)"], r"first 'Running \(fast\)'"),
    ],
)
def test_other_set_of_names_is_refused(names: list[str], message: str) -> None:
    trained, other = build("video"), build("video", num_classes=len(names))
    before = {key: value.clone() for key, value in other.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_weights(other, named(trained, NAMES), class_names=names)
    assert all(torch.equal(other.state_dict()[key], value) for key, value in before.items())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (["a", "b"], ["a", "a"]),
        (["a b", "c"], ["a b", "a_b"]),
        (["a", "a"], ["a", "a"]),
        (["a", "a", "b"], ["a", "b", "b"]),
    ],
)
def test_repeated_names_are_not_the_same_set(theirs: list[str], ours: list[str]) -> None:
    with pytest.raises(ValueError, match="expected the same names"):
        class_order(theirs, ours, "a.ckpt")


@pytest.mark.parametrize("names", [list("abcde"), NAMES[:4], list("abcdefg")])
def test_other_set_of_names_is_taken_with_a_new_head(names: list[str]) -> None:
    trained, other = build("video"), build("video", num_classes=len(names))
    report = load_weights(other, named(trained, NAMES), reset_head=True, class_names=names)
    assert other.description.class_names == tuple(names)
    assert report.reinitialised == ("head.proj.weight", "head.proj.bias")
    assert not report.reordered


def test_new_head_without_names_forgets_the_old_ones() -> None:
    trained, other = build("video"), build("video")
    load_weights(other, named(trained, NAMES), reset_head=True)
    assert other.description.class_names is None


def test_network_without_a_head_has_no_order() -> None:
    trained, other = build("video"), build("video", num_classes=0)
    assert not load_weights(other, named(trained, NAMES), class_names=list("abc")).reordered


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (["a", "b", "c"], ["c", "a", "b"], [2, 0, 1]),
        (["a b", "c"], ["c", "a_b"], [1, 0]),
        (["a_b", "c"], ["a b", "c"], [0, 1]),
        (["a"], ["a"], [0]),
    ],
)
def test_order_is_the_place_among_theirs(
    theirs: list[str], ours: list[str], expected: list[int]
) -> None:
    assert class_order(theirs, ours, "a.pth") == expected


@pytest.fixture
def released() -> Checkpoint:
    """A file of the authors for Kinetics-400: its facts, and a small network's weights."""
    with torch.device("meta"):
        shapes = create_uniformer("small").state_dict()
    name = "uniformer_small_k400_16x4"
    checkpoint = identify({"model_state": to_published_names(shapes)}, name, find_release(name))
    trained = build("video", num_classes=400)
    nn.init.normal_(trained.head.proj.bias)
    return checkpoint._replace(state=trained.state_dict())


def test_released_weights_know_the_authors_order(released: Checkpoint) -> None:
    network = build("video", num_classes=400)
    load_weights(network, released)
    assert network.description.class_names == tuple(shipped_class_names("kinetics400"))
    assert shipped_class_names("kinetics400") != sorted(shipped_class_names("kinetics400"))


def test_released_weights_are_put_into_the_alphabetical_order_of_folders(
    released: Checkpoint,
) -> None:
    network, official = build("video", num_classes=400), shipped_class_names("kinetics400")
    alphabetical = sorted(name.replace(" ", "_") for name in official)
    report = load_weights(network, released, class_names=alphabetical)
    assert report.reordered
    map_ = torch.randn(2, 64, 1, 2, 2)
    logits = network.head(map_)
    pooled = map_.mean((2, 3, 4))
    weight, bias = released.state["head.proj.weight"], released.state["head.proj.bias"]
    expected = dict(zip(official, (pooled @ weight.T + bias).T, strict=True))
    for name, own in zip(alphabetical, logits.T, strict=True):
        torch.testing.assert_close(own, expected[name.replace("_", " ")])
    moved = sum(
        one.replace("_", " ") != two for one, two in zip(alphabetical, official, strict=True)
    )
    assert moved > 350  # what taking one order for the other would cost


def test_remapping_leaves_the_shipped_list_and_the_checkpoint_alone(released: Checkpoint) -> None:
    before, names = released.state["head.proj.weight"].clone(), released.description.class_names
    assert names is not None
    load_weights(build("video", num_classes=400), released, class_names=sorted(names))
    assert tuple(shipped_class_names("kinetics400")) == released.description.class_names == names
    assert torch.equal(released.state["head.proj.weight"], before)


@pytest.mark.parametrize("other", ["kinetics600", "ucf101", "something_v2"])
def test_released_weights_refuse_another_data_set(released: Checkpoint, other: str) -> None:
    with pytest.raises(ValueError, match="uniformer_small_k400_16x4 was trained on 400 classes"):
        load_weights(
            build("video", num_classes=400), released, class_names=shipped_class_names(other)
        )
