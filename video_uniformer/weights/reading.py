"""Files of weights: reading them without running them, and what they say of themselves."""

import json
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from video_uniformer.description import (
    KEY,
    OLD_KEY,
    Description,
    NetworkArguments,
    read_description,
    said_in,
    task_of,
)
from video_uniformer.models.uniformer.variants import VARIANTS
from video_uniformer.weights.dense_keys import BACKBONE
from video_uniformer.weights.keys import to_our_names
from video_uniformer.weights.sources import AVERAGED, find_weights, names_average
from video_uniformer.weights.zoo import Release, find_release

AVERAGE_KEY = "model_ema"  # the authors' key of the averaged weights


class Checkpoint(NamedTuple):
    """Weights and what is known of them.

    Attributes:
        name: For messages.
        state: Tensors in our naming.
        description: What they say of themselves, or what is known of them by their name or shapes.
    """

    name: str
    state: dict[str, Tensor]
    description: Description


def open_checkpoint(source: str | Path | Mapping[str, object]) -> Checkpoint:
    """Read weights and find out what they are.

    A file of ours says it itself. A published file says nothing: it is known by the name under
    which the authors released it; any other by its shapes, which leave `head_dim`, clip and classes
    open (the defaults of the variant are then assumed).

    Args:
        source: A path (`.pth`, `.pyth`, `.pt`, `.ckpt`, `.safetensors`), the name of a release,
            "hf://owner/repo[/file]", or a state dict; any published wrapper key and `module.`
            prefix are understood. `FILE@ema`: the averaged weights in it.

    Raises:
        ValueError: the weights cannot be found, or not be read safely.
    """
    if isinstance(source, Mapping):
        return identify(source, "the state dict")
    path = find_weights(source)
    release = find_release(str(source).removesuffix(AVERAGED)) or find_release(path.stem)
    content = read_weights(path)
    if names_average(source):
        content = choose_average(content, str(path))
    return identify(content, str(source), release)


def choose_average(content: Mapping[str, object], name: str) -> dict[str, object]:
    """A checkpoint with the averaged weights in place of the raw ones.

    Args:
        content: What `read_weights` gave.
        name: The file, for messages.

    Raises:
        ValueError: it holds no averaged weights.
    """
    average = content.get(AVERAGE_KEY)
    if not isinstance(average, Mapping):
        raise ValueError(
            f"{name} holds no averaged weights ({AVERAGE_KEY}), expected those of a training with "
            "callbacks.ema.decay; without @ema its raw weights are taken"
        )
    kept = {key: value for key, value in content.items() if key in (KEY, OLD_KEY)}
    return {**kept, "state_dict": average}


def identify(
    content: Mapping[str, object], name: str, release: Release | None = None
) -> Checkpoint:
    """Find out what weights are, as `open_checkpoint` does.

    Args:
        content: What `read_weights` gave.
        name: For messages.
        release: The release that the name stands for, if any; it says nothing of a file that says
            itself what it is, or that holds another variant or head.

    Raises:
        ValueError: the content is no state dict, or says of itself what cannot be.
    """
    state = to_our_names(content)
    said = said_in(content)
    if said is not None:
        return Checkpoint(name, state, read_description(said, name))
    network = _recognise(state)
    if release is not None and _may_be(release, network):
        return Checkpoint(name, state, _describe(release, network["num_classes"] or 0))
    return Checkpoint(name, state, Description(task=task_of(network), network=network))


def _may_be(release: Release, network: NetworkArguments) -> bool:
    return (network.get("variant"), network.get("head")) == (release.variant, release.head)


def _describe(release: Release, num_classes: int) -> Description:
    """What the table says; not the names of the classes where the file has another number."""
    network = release.builder_arguments()
    network["num_classes"] = num_classes
    named = num_classes == release.num_classes
    return Description(
        task=task_of(network),
        network=network,
        input=release.input(),
        class_names=release.class_names() if named else None,
        fusion="logits" if release.task == "video" else None,
        source=release.name,
        skeleton=release.skeleton if named else None,
    )


def _recognise(state: Mapping[str, Tensor]) -> NetworkArguments:
    """Builder arguments by the shapes of a state dict; empty if they are no network of ours."""
    if any(key.startswith(BACKBONE) for key in state):
        return _recognise_dense(state)
    depths = tuple(_depth(state, stage) for stage in range(4))
    dims = tuple(len(state.get(f"stages.{stage}.blocks.0.norm1.weight", ())) for stage in range(4))
    variant = next((k for k, r in VARIANTS.items() if (r.dims, r.depths) == (dims, depths)), None)
    position = state.get("stages.0.blocks.0.dpe.conv.weight")
    if variant is None or position is None:
        return NetworkArguments()
    embed = state.get("stages.1.patch_embed.proj.weight", position)
    stem = "proj" if VARIANTS[variant].stem == "patch" else "conv1"
    first = state.get(f"stages.0.patch_embed.{stem}.weight")
    head = state.get("head.proj.weight")
    return NetworkArguments(
        variant=variant,
        ndim=position.ndim - 2,
        num_classes=0 if head is None else len(head),
        layer_scale=1e-6 if "stages.3.blocks.0.gamma_1" in state else None,
        attention="divided" if "stages.3.blocks.0.time_norm.weight" in state else "global",
        embed_frames=embed.shape[2] if embed.ndim == 5 else 1,
        token_labels="head.aux_proj.weight" in state,
        in_chans=3 if first is None else first.shape[1],
        features_only="norms.0.weight" in state,
    )


def _recognise_dense(state: Mapping[str, Tensor]) -> NetworkArguments:
    """Builder arguments of a backbone with a head for dense tasks; empty if they are unknown."""
    backbone = {
        key.removeprefix(BACKBONE): value
        for key, value in state.items()
        if key.startswith(BACKBONE)
    }
    network = _recognise(backbone)
    classifiers = {
        "upernet": "head.fusion.conv.weight",
        "semantic_fpn": "head.levels.0.0.conv.weight",
        "pose": "head.deconvs.0.norm.weight",
    }
    head = next((head for head, key in classifiers.items() if key in state), None)
    last = state.get("head.proj.weight", state.get("head.classifier.proj.weight"))
    if not network or head is None or last is None:
        return NetworkArguments()
    network["head"], network["dim"] = head, last.shape[1]
    network["num_classes"], network["features_only"] = len(last), False
    return network


def _depth(state: Mapping[str, Tensor], stage: int) -> int:
    prefix = f"stages.{stage}.blocks."
    return len({key[len(prefix) :].split(".")[0] for key in state if key.startswith(prefix)})


def read_weights(path: str | Path) -> dict[str, object]:
    """Read a `.safetensors` or a PyTorch file, never running code from it.

    Args:
        path: An existing file.

    Returns:
        The file's content: a state dict, perhaps inside wrapper keys, with what the file says of
        itself under `description`.

    Raises:
        ValueError: the file is missing, damaged, of another kind, or asks to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"weights file {path} does not exist")
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        _refuse_compressed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is refused: damaged, or more than tensors and plain values in it "
            f"({_reason(error)})"
        ) from None
    except Exception as error:  # bytes that are no pickle fail in any way
        raise ValueError(f"{path} is not a readable weights file ({_reason(error)})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, expected a state dict")
    return content


def _read_safetensors(path: Path) -> dict[str, object]:
    with safe_open(path, framework="pt") as file:
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        metadata = file.metadata() or {}
    key = next((key for key in (KEY, OLD_KEY) if key in metadata), None)
    return state if key is None else {"state_dict": state, KEY: json.loads(metadata[key])}


def _refuse_compressed(path: Path) -> None:
    """PyTorch stores its archives as they are: a small one that unpacks to gigabytes is none."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            packed = [m.filename for m in archive.infolist() if m.compress_type]
        if packed:
            raise ValueError(f"its member {packed[0]!r} is compressed, expected a file of PyTorch")


def _reason(error: Exception) -> str:
    """One line, without PyTorch's advice on how to run the file's code after all."""
    text = str(error) or type(error).__name__
    inner = re.search(r"(?:Unpickler error:|trusted source\.\n\n)\s*(.+?)( Please use|\n|$)", text)
    plain = re.split(r"\n| In PyTorch \d", text, maxsplit=1)[0]
    return (inner[1] if inner else plain).strip()
