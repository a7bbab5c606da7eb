"""Pairs: our UniFormer-S against the plain one, forward and training."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.reference import PlainUniFormer, move_statistics
from benchmarks.timing import Pair, Runner
from video_uniformer.models.fuse import fuse_for_inference
from video_uniformer.models.uniformer import UniFormer, create_uniformer
from video_uniformer.models.weights import load_weights

# What a CPU gets through in a second or two, and what fills a GPU.
FORWARD_SHAPE = {"cpu": (1, 3, 16, 224, 224), "cuda": (16, 3, 16, 224, 224)}
TRAINING_SHAPE = {"cpu": (2, 3, 8, 112, 112), "cuda": (16, 3, 16, 224, 224)}
FLOAT32_TOLERANCE = {"cpu": 1e-5, "cuda": 1e-2}  # of the largest logit; a GPU may use TF32
BFLOAT16_TOLERANCE = 0.05
REFERENCE = "plain float32"


def has_bfloat16_arithmetic(device: str) -> bool:
    """Whether bfloat16 is computed by the hardware; otherwise it is emulated, slowly."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def network_pairs(device: str) -> list[Pair]:
    """Forward passes and training steps, float32 and bfloat16, with equal weights.

    Args:
        device: "cpu" or "cuda".

    Raises:
        ValueError: our outputs are not those of the reference.
    """
    torch.manual_seed(0)
    plain = PlainUniFormer()
    move_statistics(plain)
    network = create_uniformer("small")
    load_weights(network, plain.state_dict())
    plain, network = plain.to(device), network.to(device)
    return [*_forward_pairs(plain, network, device), *_training_pairs(plain, network, device)]


def _forward_pairs(plain: nn.Module, network: UniFormer, device: str) -> list[Pair]:
    clips = torch.randn(FORWARD_SHAPE[device], device=device)
    plain, network = copy.deepcopy(plain).eval(), copy.deepcopy(network).eval()
    fused = fuse_for_inference(network)
    half, half_fused = copy.deepcopy(network).bfloat16(), copy.deepcopy(fused).bfloat16()
    contenders: list[tuple[str, Callable[[], Tensor], float | None]] = [
        ("float32", lambda: network(clips), 1.8),
        ("float32, fused", lambda: fused(clips), None),
        ("bfloat16, autocast", lambda: _autocast(network, clips), 2.7),
        ("bfloat16", lambda: half(clips.bfloat16()), 2.7),
        ("bfloat16, fused", lambda: half_fused(clips.bfloat16()), None),
    ]
    if not has_bfloat16_arithmetic(device):  # one row shows how slow emulation is
        contenders = contenders[:3]
    reference = Runner(REFERENCE, _without_gradients(lambda: plain(clips)))
    expected = _without_gradients(lambda: plain(clips))()
    pairs = []
    for name, forward, accept in contenders:
        runner = Runner(name, _without_gradients(forward))
        error = (forward().detach().float() - expected).abs().max() / expected.abs().max()
        tolerance = BFLOAT16_TOLERANCE if "bfloat16" in name else FLOAT32_TOLERANCE[device]
        if not error <= tolerance:
            raise ValueError(f"{name} differs from the reference by {error:.1e} of its maximum")
        accept = accept if _is_promised(name, device) else None
        pairs.append(Pair(_task("forward", clips), runner, reference, len(clips), accept))
    return pairs


def _training_pairs(plain: nn.Module, network: UniFormer, device: str) -> list[Pair]:
    clips = torch.randn(TRAINING_SHAPE[device], device=device)
    reference = Runner(REFERENCE, _training_step(plain, clips, bfloat16=False))
    pairs = []
    for name, accept in (("float32", 1.7), ("bfloat16, autocast", 2.0)):
        step = _training_step(copy.deepcopy(network), clips, bfloat16=name != "float32")
        promise = accept if _is_promised(name, device) else None
        task = _task("training step", clips)
        pairs.append(Pair(task, Runner(name, step), reference, len(clips), promise))
    return pairs


def _is_promised(name: str, device: str) -> bool:
    return device == "cpu" and ("bfloat16" not in name or has_bfloat16_arithmetic(device))


def _training_step(network: nn.Module, clips: Tensor, *, bfloat16: bool) -> Callable[[], None]:
    """Forward, loss, backward and an AdamW step."""
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
    labels = torch.zeros(len(clips), dtype=torch.long, device=clips.device)

    def step() -> None:
        optimizer.zero_grad()
        logits = _autocast(network, clips) if bfloat16 else network(clips)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step()

    return step


def _autocast(network: nn.Module, clips: Tensor) -> Tensor:
    with torch.autocast(clips.device.type, torch.bfloat16):
        return network(clips)


def _without_gradients(forward: Callable[[], Tensor]) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.inference_mode():
            return forward()

    return run


def _task(name: str, clips: Tensor) -> str:
    batch, _, frames, size, _ = clips.shape
    return f"{name}, {batch} x {frames}x{size}²"
