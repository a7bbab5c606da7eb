"""Files that say what they are, and the Hugging Face hub's folder around them.

The facts of a classifier are plain values: `network` (arguments of `create_uniformer`), `clip`
(fields of `ClipSpec`), `class_names`, `fusion`, `source`; what is not known is absent. A
safetensors file carries them as JSON under `classifier` in its metadata; `checkpoint` reads it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from huggingface_hub import ModelCardData
from torch import Tensor

from video_uniformer.system.atomic import replacing
from video_uniformer.weights.releases import Release
from video_uniformer.weights.sources import DEFAULT_FILE, SCHEME
from video_uniformer.weights.zoo import find_release

CONFIG_FILE, CARD_FILE = "config.json", "README.md"
FOLDER_FILES = (DEFAULT_FILE, CONFIG_FILE, CARD_FILE)
LIBRARY = "video-uniformer"
PLACEHOLDER = "owner/repo"
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
DATASETS = {
    "in1k": "ImageNet-1K",
    "k400": "Kinetics-400",
    "k600": "Kinetics-600",
    "ssv1": "Something-Something V1",
    "ssv2": "Something-Something V2",
    "ucf101": "UCF101",
    "hmdb51": "HMDB51",
}
NUM_NAMES_SHOWN = 5
# Arguments of the builder that a model card tells, unless they are as usual.
_SHOWN = {
    "variant": None,
    "head_dim": None,
    "layer_scale": None,
    "attention": "global",
    "embed_frames": 1,
    "token_labels": False,
}


def save_weights(path: str | Path, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write weights with what is known of them into one `.safetensors` file.

    The file appears under its name only when it is complete.

    Args:
        path: The file, ending in `.safetensors`; its folder is made if there is none.
        state: Our key name -> tensor; values, types and shapes are kept bit by bit.
        facts: Plain values; see above.

    Raises:
        ValueError: another ending, or a fact that is no plain value.
    """
    metadata = {"format": "pt", "classifier": _to_json(facts)}
    _write_safetensors(Path(path), state, metadata)


def save_published(
    path: str | Path, state: Mapping[str, Tensor], *, wrapper: str | None = None
) -> None:
    """Write a bare state dict as the authors' files are: what is known of the weights is left out.

    Args:
        path: The file, ending in `.pth`, `.pyth`, `.pt` or `.safetensors`; its folder is made if
            there is none.
        state: The authors' key name -> tensor (see `names.to_published_names`).
        wrapper: Key under which a PyTorch file holds the state dict; None for none.

    Raises:
        ValueError: another ending.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        _write_safetensors(path, state, {"format": "pt"})
        return
    _check_ending(path, (".pth", ".pyth", ".pt", ".safetensors"))
    tensors = _compact(state)
    with replacing(path) as temporary:
        torch.save(tensors if wrapper is None else {wrapper: tensors}, temporary)


def save_folder(folder: str | Path, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write weights, facts and model card as a repository of the Hugging Face hub holds them.

    Args:
        folder: Made if there is none; its `model.safetensors`, `config.json` and `README.md` are
            replaced.
        state: As in `save_weights`.
        facts: As in `save_weights`.

    Raises:
        ValueError: a fact is no plain value.
    """
    save_weights_and_facts(folder, state, facts)
    with replacing(Path(folder) / CARD_FILE) as temporary:
        temporary.write_text(model_card(facts, count_parameters(state)), encoding="utf-8")


def count_parameters(state: Mapping[str, Tensor]) -> int:
    """Trainable parameters in a state dict in our naming."""
    return sum(v.numel() for key, v in state.items() if not key.endswith(BUFFERS))


def save_weights_and_facts(
    folder: str | Path, state: Mapping[str, Tensor], facts: Mapping[str, Any]
) -> None:
    """As `save_folder`, but for the model card."""
    save_weights(Path(folder) / DEFAULT_FILE, state, facts)
    with replacing(Path(folder) / CONFIG_FILE) as temporary:
        temporary.write_text(_to_json(facts, indent=2) + "\n", encoding="utf-8")


def _to_json(facts: Mapping[str, Any], indent: int | None = None) -> str:
    for name, value in facts.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"facts[{name!r}] is {value!r}, expected plain values that JSON holds: {error}"
            ) from None
    return json.dumps(dict(facts), indent=indent, ensure_ascii=False, sort_keys=True)


def _write_safetensors(path: Path, state: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    _check_ending(path, (".safetensors",))
    # Not by `save_file`: its files are readable by nobody else, whatever the umask says, and their
    # metadata stand in random order, so that no sha256 could be told twice.
    content = memoryview(safetensors.torch.save(_compact(state)))
    start = 8 + int.from_bytes(content[:8], "little")
    header = {"__metadata__": metadata, **json.loads(bytes(content[8:start]))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines((len(text).to_bytes(8, "little"), text, content[start:]))


def _check_ending(path: Path, endings: Sequence[str]) -> None:
    if path.suffix not in endings:
        raise ValueError(f"{path} ends in {path.suffix!r}, expected {' or '.join(endings)}")


def _compact(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors with a storage of their own: files cannot hold shared or channels-last ones."""
    return {
        key: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for key, value in state.items()
    }


def model_card(facts: Mapping[str, Any], parameters: int, repo: str = PLACEHOLDER) -> str:
    """The `README.md` of a repository on the hub: nothing but what the facts say.

    Args:
        facts: As in `save_weights`, with `network`.
        parameters: How many the network has.
        repo: Owner and name of the repository, for the examples.
    """
    release = find_release(str(facts.get("source")))
    network = facts["network"]
    kind = "video" if network["ndim"] == 3 else "image"
    sections = [
        f"# UniFormer, {_plain(network['variant'])}, for {kind}s",
        "UniFormer ([2201.04676](https://arxiv.org/abs/2201.04676), "
        "[2201.09450](https://arxiv.org/abs/2201.09450)) joins convolution and self-attention in "
        f"one backbone: local token affinity in the shallow stages, global affinity in the deep.\n"
        f"`{DEFAULT_FILE}` says itself how the network is built and, where it is known, what "
        "it takes and which classes it names.",
        _table(facts, parameters),
        _origin(facts, release),
        _usage(facts, repo),
    ]
    metadata = _card_data(facts, release).to_yaml()
    return f"---\n{metadata}\n---\n\n" + "\n\n".join(filter(None, sections)) + "\n"


def _card_data(facts: Mapping[str, Any], release: Release | None) -> ModelCardData:
    network = facts["network"]
    kind = "video" if network["ndim"] == 3 else "image"
    features = "feature-extraction" if kind == "video" else "image-feature-extraction"
    return ModelCardData(
        library_name=LIBRARY,
        license="apache-2.0" if release else None,  # the authors'; of other weights it is not known
        pipeline_tag=f"{kind}-classification" if network["num_classes"] else features,
        tags=["uniformer", "pytorch", kind],
        datasets=["imagenet-1k"] if release and release.dataset == "in1k" else None,
        metrics=["accuracy"] if release and _is_of(release, network) else None,
    )


def _table(facts: Mapping[str, Any], parameters: int) -> str:
    rows = {"parameters": f"{parameters:,}"}
    rows |= {
        name: f"`{_plain(facts['network'][name])}`"
        for name, usual in _SHOWN.items()
        if facts["network"].get(name, usual) not in (None, usual)
    }
    rows |= _input_rows(facts)
    names = facts.get("class_names")
    if names:
        shown = ", ".join(f"`{_plain(name)}`" for name in names[:NUM_NAMES_SHOWN])
        rest = ", ..." if len(names) > NUM_NAMES_SHOWN else ""
        rows["classes"] = f"{len(names)}, in this order: {shown}{rest}"
    lines = ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items())]
    return "\n".join(lines)


def _input_rows(facts: Mapping[str, Any]) -> dict[str, str]:
    clip = facts.get("clip")
    if not clip:
        return {}
    stride = clip["stride"]
    picked = "one of each equal part of the video" if stride is None else f"stride {stride}"
    views = f"{clip.get('num_clips', 1)} x {clip.get('num_crops', 1)}"
    return {
        "clip": f"{clip['num_frames']} frames ({picked}), {clip['size']} x {clip['size']} pixels",
        "channels": str(clip.get("channel_order", "rgb")).upper(),
        "views of a video (clips x crops)": f"{views}; {facts.get('fusion', 'logits')} averaged",
    }


def _origin(facts: Mapping[str, Any], release: Release | None) -> str:
    source = facts.get("source")
    if release is None:
        return f"The weights come from `{_plain(source)}`." if source else ""
    if not _is_of(release, facts["network"]):
        return f"The weights were made from the authors' release `{release.name}`."
    views = f", {release.frames}x{release.crops}x{release.clips}" if release.task == "video" else ""
    return (
        f"The weights come from the authors' release `{release.file}` (`{release.name}`, "
        f"[link]({release.drive_url})), for which they published a top-1 accuracy of "
        f"{release.top1:.1f} % on {DATASETS[release.dataset]} ({release.size} px{views})."
    )


def _is_of(release: Release, network: Mapping[str, Any]) -> bool:
    """Whether a network is the released one, as far as its shapes go."""
    built = release.builder_arguments()
    shapes = ("variant", "ndim", "num_classes", "token_labels")
    return all(network.get(name) == built[name] for name in shapes)


def _usage(facts: Mapping[str, Any], repo: str) -> str:
    network, lines = facts["network"], []
    if network["ndim"] == 3 and facts.get("class_names"):
        lines = [
            "```bash",
            f"video-uniformer-predict clip.mp4 --checkpoint {SCHEME}{repo}",
            "```",
            "",
            "```python",
            "from video_uniformer import load_classifier",
            "",
            f'classifier = load_classifier("{SCHEME}{repo}")',
            'print(classifier("clip.mp4").top(5))',
            "```",
            "",
        ]
    name = "UniFormerMaps" if network.get("features_only") else "UniFormer"
    shape = "(B, 3, T, H, W)" if network["ndim"] == 3 else "(B, 3, H, W)"
    gives = "logits (B, K)" if network["num_classes"] else "features (B, D)"
    gives = "four stage maps" if network.get("features_only") else gives
    lines += [
        "```python",
        f"from video_uniformer.models.uniformer.network import {name}",
        "",
        f'network = {name}.from_pretrained("{repo}")  # {shape} -> {gives}',
        "```",
    ]
    return "\n".join(["## Use", "", *lines])


def _plain(value: object) -> str:
    """On one line, and without what Markdown would read as code, a table or HTML."""
    return " ".join(str(value).translate(str.maketrans("`|<>", "'/()")).split())
