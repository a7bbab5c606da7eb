"""Files that say what they are, and the Hugging Face hub's folder around them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from video_uniformer.description import KEY, Description, plain_values
from video_uniformer.system.atomic import replacing
from video_uniformer.weights.card import model_card
from video_uniformer.weights.hub import DEFAULT_FILE

CONFIG_FILE, CARD_FILE = "config.json", "README.md"
FOLDER_FILES = (DEFAULT_FILE, CONFIG_FILE, CARD_FILE)
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def save_weights(path: str | Path, state: Mapping[str, Tensor], description: Description) -> None:
    """Write weights with what is known of them into one `.safetensors` file.

    The file appears under its name only when it is complete.

    Args:
        path: The file, ending in `.safetensors`; its folder is made if there is none.
        state: Our key name -> tensor; values, types and shapes are kept bit by bit.
        description: What is known of them; JSON under `description` in the file's metadata.

    Raises:
        ValueError: another ending, or the description holds what is no plain value.
    """
    metadata = {"format": "pt", KEY: _to_json(plain_values(description))}
    _write_safetensors(Path(path), state, metadata)


def save_published(
    path: str | Path, state: Mapping[str, Tensor], *, wrapper: str | None = None
) -> None:
    """Write a bare state dict as the authors' files are: what is known of the weights is left out.

    Args:
        path: The file, ending in `.pth`, `.pyth`, `.pt` or `.safetensors`; its folder is made if
            there is none.
        state: The authors' key name -> tensor (see `keys.to_published_names`).
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


def save_folder(folder: str | Path, state: Mapping[str, Tensor], description: Description) -> None:
    """Write weights, description and model card as a repository of the Hugging Face hub holds them.

    Args:
        folder: Made if there is none; its `model.safetensors`, `config.json` and `README.md` are
            replaced.
        state: As in `save_weights`.
        description: As in `save_weights`.

    Raises:
        ValueError: the description holds what is no plain value.
    """
    save_without_card(folder, state, description)
    with replacing(Path(folder) / CARD_FILE) as temporary:
        temporary.write_text(model_card(description, count_parameters(state)), encoding="utf-8")


def count_parameters(state: Mapping[str, Tensor]) -> int:
    """Trainable parameters in a state dict in our naming."""
    return sum(v.numel() for key, v in state.items() if not key.endswith(BUFFERS))


def save_without_card(
    folder: str | Path, state: Mapping[str, Tensor], description: Description
) -> None:
    """As `save_folder`, but for the model card."""
    save_weights(Path(folder) / DEFAULT_FILE, state, description)
    with replacing(Path(folder) / CONFIG_FILE) as temporary:
        temporary.write_text(
            _to_json({KEY: plain_values(description)}, indent=2) + "\n", encoding="utf-8"
        )


def _to_json(values: Mapping[str, object], indent: int | None = None) -> str:
    try:
        return json.dumps(
            values, indent=indent, ensure_ascii=False, sort_keys=True, allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"description is {values}, expected plain values that JSON holds: {error}"
        ) from None


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
