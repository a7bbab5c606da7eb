"""Foreign state dicts to ours: unwrap, rename, inflate, and account for every key."""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from video_uniformer.models.pretrained import find_weights
from video_uniformer.models.uniformer import UniFormer

# Wrapper keys of published files and of Lightning checkpoints; the first that exists is unwrapped.
WRAPPERS = ("model_state", "state_dict", "model")
# Prefixes left by DistributedDataParallel, torch.compile and our Lightning module.
PREFIXES = ("module.", "_orig_mod.", "network.")

# The authors' key names -> ours, applied in order; a key that is already ours matches none.
# Official: image_classification/models/uniformer.py and slowfast/models/uniformer.py.
RENAMES = (
    *((rf"^patch_embed{n + 1}\.", f"stages.{n}.patch_embed.") for n in range(4)),
    *((rf"^blocks{n + 1}\.", f"stages.{n}.blocks.") for n in range(4)),
    (r"^(stages\.\d\.blocks\.\d+)\.pos_embed\.", r"\1.dpe.conv."),
    (r"^(stages\.\d\.blocks\.\d+)\.conv1\.", r"\1.mhra.value."),
    (r"^(stages\.[01]\.blocks\.\d+)\.attn\.", r"\1.mhra.affinity."),
    (r"^(stages\.\d\.blocks\.\d+)\.conv2\.", r"\1.mhra.proj."),
    (r"^(stages\.[23]\.blocks\.\d+)\.attn\.", r"\1.mhra."),
    (r"^(stages\.\d\.blocks\.\d+)\.mlp\.", r"\1.ffn."),
    (r"^head\.(weight|bias)$", r"head.proj.\1"),
)


@dataclass(frozen=True)
class WeightsReport:
    """What `load_weights` did with every key, in our naming.

    Attributes:
        loaded: Copied; the inflated ones are among them.
        inflated: Copied from a 2D kernel into a 3D one.
        reinitialised: Head keys that were left at, or set to, a fresh initialisation.
        missing: Keys of the network that the file lacks (only counters and a reset head may be).
        unexpected: Keys of the file that the network does not need (only a head that was not used).
    """

    loaded: tuple[str, ...]
    inflated: tuple[str, ...]
    reinitialised: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __str__(self) -> str:
        counts = {name: len(keys) for name, keys in vars(self).items()}
        return ", ".join(f"{count} {name}" for name, count in counts.items())


def read_weights(path: str | Path) -> dict[str, object]:
    """Read a `.safetensors` or a PyTorch file, never running code from it.

    Args:
        path: An existing file.

    Returns:
        The file's content: a state dict, perhaps inside wrapper keys.

    Raises:
        ValueError: the file is missing, damaged, of another kind, or asks to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"weights file {path} does not exist")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
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


def _reason(error: Exception) -> str:
    """One line, without PyTorch's advice on how to run the file's code after all."""
    text = str(error) or type(error).__name__
    inner = re.search(r"WeightsUnpickler error: (.+?)( Please use|\n|$)", text)
    return (inner[1] if inner else text.split("\n", maxsplit=1)[0]).strip()


def to_our_names(content: Mapping[str, object]) -> dict[str, Tensor]:
    """Unwrap a checkpoint's state dict and rename its keys to ours.

    Args:
        content: A state dict under any of its published wrapper keys, or bare.

    Raises:
        ValueError: an entry is not a tensor, or two keys get the same name.
    """
    for wrapper in WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            content = inner
            break
    renamed: dict[str, Tensor] = {}
    for original, value in content.items():
        name = _rename(str(original))
        if not isinstance(value, Tensor):
            raise ValueError(
                f"entry {original!r} is a {type(value).__name__}, expected a state dict of "
                f"tensors, bare or under one of {', '.join(WRAPPERS)}"
            )
        if name in renamed:
            raise ValueError(f"two entries of the state dict are called {name!r}")
        renamed[name] = value
    return renamed


def _rename(key: str) -> str:
    stripped = True
    while stripped:
        shorter = next((key.removeprefix(p) for p in PREFIXES if key.startswith(p)), key)
        stripped, key = shorter != key, shorter
    for pattern, replacement in RENAMES:
        key = re.sub(pattern, replacement, key)
    return key


def inflate(kernel: Tensor, length: int, rule: str = "mean") -> Tensor:
    """Give a 2D kernel a time axis.

    Official: uniformer.py, `inflate_weight`; every released recipe uses the mean.

    Args:
        kernel: (out, in, H, W).
        length: T of the result.
        rule: "mean" repeats the kernel and divides by `length`; "center" puts it into the middle
            slice, zeros elsewhere, so that a still clip gives the image network's features.

    Shape:
        (out, in, H, W) -> (out, in, T, H, W).

    Raises:
        ValueError: an unknown rule.
    """
    if rule == "mean":
        return kernel.unsqueeze(2).repeat_interleave(length, dim=2) / length
    if rule == "center":
        inflated = kernel.new_zeros((*kernel.shape[:2], length, *kernel.shape[2:]))
        inflated[:, :, length // 2] = kernel
        return inflated
    raise ValueError(f"inflation is {rule!r}, expected 'mean' or 'center'")


def load_weights(
    network: UniFormer,
    source: str | Path | Mapping[str, object],
    *,
    inflation: str = "mean",
    reset_head: bool = False,
) -> WeightsReport:
    """Copy published, or our own, weights into a network; nothing is dropped in silence.

    Args:
        network: A network of this package.
        source: A path (`.pth`, `.pyth`, `.pt`, `.ckpt`, `.safetensors`), the name of a published
            file (`pretrained.PUBLISHED`), or a state dict; any published wrapper key and
            `module.` prefix are understood.
        inflation: How 2D kernels enter 3D ones: "mean" (published) or "center".
        reset_head: Initialise the head anew, whatever head the file has; needed when the number of
            classes differs.

    Returns:
        What happened to every key.

    Raises:
        ValueError: a file that cannot be read safely, or a key or a shape that the network cannot
            explain; the network is then unchanged.
    """
    name = "the state dict" if isinstance(source, Mapping) else str(source)
    content = source if isinstance(source, Mapping) else read_weights(find_weights(source))
    given = to_our_names(content)
    own = network.state_dict()
    headless = not any(key.startswith("head.") for key in own)
    head_keys = {key for key in own if key.startswith("head.")} if reset_head else set()
    dropped = tuple(key for key in given if key.startswith("head.") and (headless or reset_head))
    fitted, inflated = {}, []
    for key in own.keys() & given.keys() - set(dropped):
        fitted[key] = _fit(key, given[key], own[key], inflation, name)
        if given[key].ndim < own[key].ndim:
            inflated.append(key)
    missing = tuple(key for key in own if key not in fitted and key not in head_keys)
    unexpected = [key for key in given if key not in own and key not in dropped]
    _refuse_unexplained(name, network, [k for k in missing if not _is_counter(k)], unexpected)
    if reset_head:
        network.reset_classifier(network.num_classes)
    network.load_state_dict(fitted, strict=False)
    return WeightsReport(
        loaded=tuple(key for key in own if key in fitted),
        inflated=tuple(key for key in own if key in inflated),
        reinitialised=tuple(key for key in own if key in head_keys),
        missing=missing,
        unexpected=dropped,
    )


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _fit(key: str, value: Tensor, target: Tensor, inflation: str, name: str) -> Tensor:
    """The tensor in the target's shape; only a missing time axis may be added."""
    if value.shape == target.shape:
        return value
    if target.ndim == 5 and value.shape == target.shape[:2] + target.shape[3:]:
        return inflate(value, target.shape[2], inflation)
    hint = ""
    if key.startswith("head."):
        hint = "; another set of classes needs a new head: pass reset_head=True"
    raise ValueError(
        f"{key} is {tuple(value.shape)} in {name}, expected {tuple(target.shape)}{hint}"
    )


def _refuse_unexplained(
    name: str, network: UniFormer, missing: list[str], unexpected: list[str]
) -> None:
    if not missing and not unexpected:
        return
    lists = [
        f"{len(keys)} keys are {what} (first {keys[0]!r})"
        for what, keys in (("missing", missing), ("unexpected", unexpected))
        if keys
    ]
    variant = network.config.get("variant", "")
    raise ValueError(f"{name} does not fit UniFormer {variant}: {' and '.join(lists)}")
