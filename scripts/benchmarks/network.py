"""Pairs: our UniFormer-S, forward and training, and our XXS, forward, against plain ones."""

import copy
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.reference import PlainHourglass, PlainUniFormer, move_statistics
from benchmarks.timing import Pair, Runner
from video_uniformer.models.fuse import fuse_for_inference
from video_uniformer.models.uniformer.network import UniFormer
from video_uniformer.weights.build import create_uniformer
from video_uniformer.weights.loading import load_weights

# What a CPU gets through in a second or two, and what fills a GPU.
FORWARD_SHAPE = {"cpu": (1, 3, 16, 224, 224), "cuda": (16, 3, 16, 224, 224)}
TRAINING_SHAPE = {"cpu": (2, 3, 8, 112, 112), "cuda": (16, 3, 16, 224, 224)}
HOURGLASS_SHAPE = {"cpu": (8, 3, 16, 160, 160), "cuda": (64, 3, 16, 160, 160)}
FLOAT32_TOLERANCE = {"cpu": 1e-5, "cuda": 1e-2}  # of the largest logit; a GPU may use TF32
BFLOAT16_TOLERANCE = 0.05
HOURGLASS_TOLERANCE = {"cpu": 1e-4, "cuda": 1e-2}  # rounding may swap two tokens of nearly one rank
REFERENCE = "plain float32"

Contender = tuple[str, Callable[[], Tensor], float | None]  # name, forward pass, promised ratio


def has_bfloat16_arithmetic(device: str) -> bool:
    """Whether bfloat16 is computed by the hardware; otherwise it is emulated, slowly."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def network_pairs(device: str) -> list[Pair]:
    """Forward passes and training steps of S, float32 and bfloat16, and forward passes of XXS.

    Weights are equal, and outputs are compared before anything is timed.

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
    return [
        *_forward_pairs(plain, network, device),
        *_training_pairs(plain, network, device),
        *_hourglass_pairs(device),
    ]


def _forward_pairs(plain: nn.Module, network: UniFormer, device: str) -> list[Pair]:
    clips = torch.randn(FORWARD_SHAPE[device], device=device)
    plain, network = copy.deepcopy(plain).eval(), copy.deepcopy(network).eval()
    fused = fuse_for_inference(network)
    half, half_fused = copy.deepcopy(network).bfloat16(), copy.deepcopy(fused).bfloat16()
    contenders: list[Contender] = [
        ("float32", lambda: network(clips), 1.8),
        ("float32, fused", lambda: fused(clips), None),
        ("bfloat16, autocast", lambda: _autocast(network, clips), 2.7),
        ("bfloat16", lambda: half(clips.bfloat16()), 2.7),
        ("bfloat16, fused", lambda: half_fused(clips.bfloat16()), None),
    ]
    if not has_bfloat16_arithmetic(device):  # one row shows how slow emulation is
        contenders = contenders[:3]
    tolerances = [
        BFLOAT16_TOLERANCE if "bfloat16" in name else FLOAT32_TOLERANCE[device]
        for name, _, _ in contenders
    ]
    return _compared_pairs(_task("forward", clips), plain, clips, contenders, tolerances)


def _hourglass_pairs(device: str) -> list[Pair]:
    torch.manual_seed(0)
    plain = PlainHourglass()
    move_statistics(plain)
    nn.init.normal_(plain.cls_token)
    network = create_uniformer("xxs")
    load_weights(network, plain.state_dict())
    plain, network = plain.to(device).eval(), network.to(device).eval()
    fused = fuse_for_inference(network)
    clips = torch.randn(HOURGLASS_SHAPE[device], device=device)
    contenders: list[Contender] = [
        ("float32", lambda: network(clips), 2.0),
        ("float32, fused", lambda: fused(clips), 2.0),
    ]
    tolerances = [HOURGLASS_TOLERANCE[device]] * len(contenders)
    return _compared_pairs(_task("XXS forward", clips), plain, clips, contenders, tolerances)


def _compared_pairs(
    task: str,
    plain: nn.Module,
    clips: Tensor,
    contenders: Sequence[Contender],
    tolerances: Sequence[float],
) -> list[Pair]:
    """One pair a contender, if its outputs are those of the reference."""
    reference = Runner(REFERENCE, _without_gradients(lambda: plain(clips)))
    expected = _without_gradients(lambda: plain(clips))()
    pairs = []
    for (name, forward, accept), tolerance in zip(contenders, tolerances, strict=True):
        run = _without_gradients(forward)
        error = (run().float() - expected).abs().max() / expected.abs().max()
        if not error <= tolerance:
            raise ValueError(
                f"{task}: {name} differs from the reference by {error:.1e} of its maximum"
            )
        promise = accept if _is_promised(name, clips.device.type) else None
        pairs.append(Pair(task, Runner(name, run), reference, len(clips), promise))
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
