"""`video-uniformer convert`: any checkpoint to one file that says what it is, and back."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conversions import OURS, published, sparse
from torch import Tensor

from video_uniformer import ClipSpec, create_uniformer, load_classifier
from video_uniformer.cli.convert import main, parser, request
from video_uniformer.clip import ImageSpec
from video_uniformer.description import Description
from video_uniformer.labels.names import shipped_class_names
from video_uniformer.weights.convert import Conversion, convert
from video_uniformer.weights.pretrained import UniFormer
from video_uniformer.weights.reading import open_checkpoint, read_weights
from video_uniformer.weights.zoo import RELEASES

Run = Callable[..., Any]


def bits(value: Tensor) -> bytes:
    return bytes(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())


def same(one: dict[str, Tensor], other: dict[str, Tensor], *, ordered: bool = True) -> bool:
    keys = list(one) == list(other) if ordered else one.keys() == other.keys()
    return keys and all(
        (one[key].dtype, one[key].shape, bits(one[key]))
        == (other[key].dtype, other[key].shape, bits(other[key]))
        for key in one
    )


def converted(*arguments: str) -> Conversion:
    """What would be written: large networks take their time."""
    return convert(request(parser().parse_args(arguments)))


def facts_of(path: Path) -> dict[str, Any]:
    facts = read_weights(path)["description"]
    assert isinstance(facts, dict)
    return facts


def test_lightning_checkpoint_becomes_one_file(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    ran = run(main, str(checkpoint), OURS)
    digest = hashlib.sha256((tmp_path / OURS).read_bytes()).hexdigest()
    assert ran.out == f"wrote {OURS}: 95 tensors, 85,058 parameters, 2 classes, sha256 {digest}\n"
    assert (ran.status, ran.err) == (0, "")
    before, after = open_checkpoint(checkpoint), open_checkpoint(tmp_path / OURS)
    assert same(after.state, before.state, ordered=False)
    assert after.description == before.description


def test_state_of_a_training_is_left_out_and_told(
    run: Run, checkpoint: Path, tmp_path: Path
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    torch.save({**content, "epoch": 3, "optimizer_states": [{"lr": 0.1}]}, checkpoint)
    ran = run(main, str(checkpoint), OURS)
    assert ran.err == ("note: left out, as it is of a training's state: epoch, optimizer_states\n")
    assert read_weights(tmp_path / OURS).keys() == {"state_dict", "description"}


def test_converted_file_predicts_as_the_checkpoint(
    run: Run, videos: Path, checkpoint: Path, tmp_path: Path
) -> None:
    run(main, str(checkpoint), OURS)
    video = videos / "val0.mp4"
    one, other = load_classifier(checkpoint)(video), load_classifier(tmp_path / OURS)(video)
    assert torch.equal(one.probabilities, other.probabilities)
    assert one.class_names == other.class_names


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        {"variant": "test", "num_classes": 2},
        {"variant": "test_light", "num_classes": 2, "layer_scale": 0.1},
        {"variant": "test", "num_classes": 2, "ndim": 2, "token_labels": True},
        {"variant": "test", "num_classes": 2, "attention": "divided", "embed_frames": 3},
    ],
    ids=("video", "light", "token labels", "divided"),
)
def test_published_file_returns_bit_by_bit(
    run: Run, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    state = published(**arguments)
    torch.save(state, tmp_path / "theirs.pth")
    assert run(main, "theirs.pth", OURS).status == 0
    for target in ("back.pth", "back.pyth"):
        assert run(main, OURS, target, "--to", "published").status == 0
        assert same(torch.load(tmp_path / target, weights_only=True), state)
    assert run(main, OURS, "back.safetensors", "--to", "published").status == 0
    assert same(read_weights(tmp_path / "back.safetensors"), state, ordered=False)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_number_type_is_kept(run: Run, tmp_path: Path, dtype: torch.dtype) -> None:
    state = published(variant="test", num_classes=2)
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    torch.save({"model": state}, tmp_path / "theirs.pth")
    assert run(main, "theirs.pth", OURS).status == 0
    assert run(main, OURS, "back.pth", "--to", "published").status == 0
    assert same(torch.load(tmp_path / "back.pth", weights_only=True), state)


@pytest.mark.slow
def test_file_without_counters_stays_without(run: Run, tmp_path: Path) -> None:
    state = published(variant="test", num_classes=2)
    state = {key: v for key, v in state.items() if not key.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "theirs.pth")
    assert run(main, "theirs.pth", OURS).status == 0
    assert len(open_checkpoint(tmp_path / OURS).state) == len(state)
    assert create_uniformer(weights=tmp_path / OURS).num_classes == 2


def test_source_may_be_replaced_by_its_conversion(run: Run, checkpoint: Path) -> None:
    run(main, str(checkpoint), OURS)
    before = Path(OURS).read_bytes()
    assert run(main, OURS, OURS, "--force").status == 0
    assert Path(OURS).read_bytes() == before


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which is also where weights are looked for by name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIDEO_UNIFORMER_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.mark.slow
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("uniformer_xxs4_128_k400.pth", ("uniformer_xxs4_128_k400.pth", OURS)),
        ("uniformer_xxs4_128_k400.pth", ("k400_xxs_4_128", OURS)),
        ("uniformer_xxs4_128_k400.pth", ("uniformer_xxs4_128_k400", OURS)),
        ("renamed.pth", ("renamed.pth", OURS, "--release", "k400_xxs_4_128")),
        ("renamed.pth", ("renamed.pth", OURS, "--release", "uniformer_xxs4_128_k400")),
    ],
)
def test_release_says_what_the_table_says(file: str, arguments: tuple[str, ...]) -> None:
    torch.save(sparse(**RELEASES["k400_xxs_4_128"].builder_arguments()), file)
    conversion = converted(*arguments)
    assert conversion.notes == ()
    network = conversion.description.network
    assert conversion.description == Description(
        task="video_classification",
        network=network,
        input=ClipSpec(num_frames=4, stride=None, size=128),
        class_names=tuple(shipped_class_names("kinetics400")),
        fusion="logits",
        source="k400_xxs_4_128",
    )
    assert network["head_dim"] == 28
    with torch.device("meta"):
        assert create_uniformer(**network).config == network


@pytest.mark.slow
@pytest.mark.parametrize(("name", "wrapper"), [("in1k_s", "model"), ("k400_xxs_4_128", None)])
def test_wrapper_of_the_release_is_known(here: Path, name: str, wrapper: str | None) -> None:
    file, arguments = RELEASES[name].file, RELEASES[name].builder_arguments()
    torch.save({"model": sparse(**arguments)}, here / file)
    assert converted(file, "back.pth", "--to", "published").wrapper == wrapper


@pytest.mark.slow
def test_released_file_returns_in_its_wrapper(run: Run, tmp_path: Path) -> None:
    state = published(**RELEASES["in1k_s"].builder_arguments())
    torch.save({"model": state}, tmp_path / "uniformer_small_in1k.pth")
    assert "21,545,256 parameters" in run(main, "uniformer_small_in1k.pth", OURS).out
    assert run(main, OURS, "back.pth", "--to", "published").status == 0
    content = torch.load(tmp_path / "back.pth", weights_only=True)
    assert list(content) == ["model"]
    assert same(content["model"], state)


def test_unknown_file_says_what_it_cannot_say(run: Run, unknown: Path, tmp_path: Path) -> None:
    ran = run(main, str(unknown), OURS)
    assert ran.status == 0
    assert ran.err.splitlines() == [
        "note: head_dim is not known: assumed to be that of the published test",
        "note: the clip is not known: --frames, --stride and --size say it",
        "note: the class names are not known: --classes says them",
    ]
    assert facts_of(tmp_path / OURS).keys() == {"task", "network", "source"}
    assert facts_of(tmp_path / OURS)["source"] == "unknown.pth"


def test_options_say_what_the_file_does_not(run: Run, unknown: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("dark\nbright\n")
    options = "--classes names.txt --frames 4 --stride segments --size 32 --crops 3 --clips 2 --bgr"
    ran = run(main, str(unknown), OURS, *options.split(), "--head-dim", "8")
    assert (ran.status, ran.err) == (0, "")
    clip = ClipSpec(4, None, 32, num_clips=2, num_crops=3, channel_order="bgr")
    facts = facts_of(tmp_path / OURS)
    assert facts["class_names"] == ["dark", "bright"]
    assert ClipSpec(**facts["input"]) == clip
    assert facts["fusion"] == "logits"
    assert facts["network"]["head_dim"] == 8
    assert load_classifier(tmp_path / OURS).clip == clip


def test_unknown_image_network_is_told_its_size(run: Run, tmp_path: Path) -> None:
    torch.save(published(variant="test", ndim=2, num_classes=2), tmp_path / "a.pth")
    (tmp_path / "names.txt").write_text("dark\nbright\n")
    options = ("--classes", "names.txt", "--head-dim", "8")
    ran = run(main, "a.pth", OURS, *options)
    assert ran.err == "note: the size of its input is not known: --size says it\n"
    ran = run(main, "a.pth", OURS, *options, "--size", "64", "--force")
    assert (ran.status, ran.err) == (0, "")
    assert ImageSpec(**facts_of(tmp_path / OURS)["input"]) == ImageSpec(64)


def test_options_correct_the_clip_of_a_checkpoint(
    run: Run, checkpoint: Path, tmp_path: Path
) -> None:
    assert run(main, str(checkpoint), OURS, "--stride", "8", "--clips", "3").status == 0
    before = open_checkpoint(checkpoint).description.clip
    assert before is not None
    after = open_checkpoint(tmp_path / OURS).description.clip
    assert after == replace(before, stride=8, num_clips=3)


@pytest.mark.slow
def test_given_head_dim_is_taken_and_plays_no_part_in_a_published_file(here: Path) -> None:
    torch.save(sparse(variant="small_plus", ndim=2), here / "a.pth")
    assert converted("a.pth", OURS, "--head-dim", "64").description.network["head_dim"] == 64
    assert converted("a.pth", "b.pth", "--to", "published").notes == ()


@pytest.mark.slow
def test_names_of_imagenet_are_known(here: Path) -> None:
    torch.save(sparse(variant="small", ndim=2), here / "a.pth")
    names = converted("a.pth", OURS, "--classes", "imagenet1k").description.class_names
    assert names is not None
    assert names[0] == "tench"


@pytest.mark.slow
def test_alphabetical_order_of_published_classes_is_pointed_out(run: Run, tmp_path: Path) -> None:
    torch.save(published(variant="test", num_classes=400), tmp_path / "a.pth")
    names = sorted(shipped_class_names("kinetics400"))
    (tmp_path / "names.txt").write_text("\n".join(names))
    ran = run(main, "a.pth", OURS, "--classes", "names.txt")
    note = "names.txt has the names of kinetics400 in another order than the published networks"
    assert f"note: {note}" in ran.err
    assert facts_of(tmp_path / OURS)["class_names"] == names


@pytest.mark.slow
def test_hub_folder_is_what_from_pretrained_takes(
    run: Run, checkpoint: Path, tmp_path: Path
) -> None:
    ran = run(main, str(checkpoint), "a/b", "--hub")
    assert ran.out.startswith("wrote a/b/model.safetensors: 95 tensors")
    files = {path.name for path in (tmp_path / "a" / "b").iterdir()}
    assert files == {"model.safetensors", "config.json", "README.md"}
    before = open_checkpoint(checkpoint)
    network = UniFormer.from_pretrained("a/b")
    assert same(network.state_dict(), before.state)
    assert network.config == before.description.network
    config = json.loads((tmp_path / "a" / "b" / "config.json").read_text())
    assert config["description"]["class_names"] == ["dark", "bright"]
    assert "`dark`, `bright`" in (tmp_path / "a" / "b" / "README.md").read_text()


@pytest.mark.slow
def test_hub_folder_is_a_source(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    run(main, str(checkpoint), "folder", "--hub")
    assert run(main, "folder", OURS).status == 0
    assert (tmp_path / OURS).read_bytes() == (tmp_path / "folder/model.safetensors").read_bytes()


def test_help_is_worth_reading(run: Run) -> None:
    ran = run(main, "--help")
    assert ran.status == 0
    assert "video-uniformer convert renamed.pth small.safetensors --release k400_s_16x8" in ran.out
    assert max(len(line) for line in ran.out.splitlines()) <= 100
