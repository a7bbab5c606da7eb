"""Steps that are not finite: skipped, counted and named; past a budget the run is healed."""

import math
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from video_uniformer.training.callbacks.bad_samples import gather_items
from video_uniformer.training.callbacks.roll_back import RollBack
from video_uniformer.training.callbacks.skipped_steps import (
    SeenBatch,
    append_rows,
    describe,
    find_suspects,
    note_batch,
    strongest,
)

_REMEDIES = ("roll_back", "stop")
# Accepted steps before a norm can be called a spike, and over which its mean then runs.
_WARMUP_STEPS, _MEAN_STEPS = 20, 100


class _Step(NamedTuple):
    """A step whose verdict the host has not read."""

    number: int
    epoch: int
    batches: list[SeenBatch]
    losses: Tensor
    norm: Tensor
    limit: Tensor
    is_bad: Tensor  # 1 where it was skipped; there once `copied` has happened
    copied: torch.cuda.Event | None = None


class FiniteSteps(Callback):
    """Skip a step that would spoil the weights, say from which samples it came, and heal the run.

    Before the optimiser's step, the losses of its batches and the norm of the gradients have to be
    finite in every process. Where they are not, neither weights nor the optimiser's state change,
    and buffers (the statistics of batch norms) are put back to what they were before the step. The
    check waits for no device: on CUDA, a fused optimiser reads the verdict itself, and the host one
    step later. Under a gradient scaler, gradients that are not finite while the loss is are the
    scaler's business and do not count.

    Args:
        path: The CSV file of skipped steps, to which each is added at once.
        checkpoint: The file to go back to; before it is first written, the start of the training.
        spike_factor: A step is also skipped where its norm exceeds this many times the mean norm of
            the last steps; None accepts any finite norm.
        budget: Steps that may be skipped within the last `window`.
        window: Steps that the budget looks back on.
        then: Past the budget, "roll_back" goes back to the checkpoint with a lower learning rate,
            and "stop" ends the run.
        lr_factor: The learning rate's at each roll-back, above 0 and at most 1.
        max_roll_backs: After so many, the run stops past the budget.

    Attributes:
        skipped: Steps skipped in this training.
        lr_scale: Product of the factors: the learning rate over the configured one.
        lag: Steps by which the host's reading is late, 0 or 1; None takes 1 on CUDA where the
            optimiser is fused, and else 0. A lag needs a fused optimiser.

    Raises:
        ValueError: A setting is out of range.
        FloatingPointError: In training, past the budget, with advice.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        checkpoint: str | Path,
        spike_factor: float | None = None,
        budget: int = 5,
        window: int = 100,
        then: str = "roll_back",
        lr_factor: float = 0.5,
        max_roll_backs: int = 3,
    ) -> None:
        if then not in _REMEDIES:
            raise ValueError(f"then is {then!r}, expected one of {', '.join(_REMEDIES)}")
        if spike_factor is not None and spike_factor <= 1:
            raise ValueError(f"spike_factor is {spike_factor}, expected more than 1, or null")
        if not 0 < lr_factor <= 1:
            raise ValueError(f"lr_factor is {lr_factor}, expected more than 0 and at most 1")
        for name, value in {"budget": budget, "max_roll_backs": max_roll_backs}.items():
            if value < 0:
                raise ValueError(f"{name} is {value}, expected 0 or more")
        if window <= budget:
            raise ValueError(f"window is {window}, expected more than the budget of {budget} steps")
        self.path = Path(path)
        self.spike_factor, self.budget, self.window, self.then = spike_factor, budget, window, then
        self.lr_factor, self.max_roll_backs = lr_factor, max_roll_backs
        self.skipped, self.roll_backs, self.lr_scale = 0, 0, 1.0
        self.lag: int | None = None
        self._roll_back = RollBack(checkpoint)
        self._recent: list[int] = []
        self._logged = 0
        self._mean_norm = torch.zeros(2)  # and over how many steps
        self._batches: list[SeenBatch] = []
        self._losses: list[Tensor] = []
        self._unread: deque[_Step] = deque()
        self._num_late = 0
        self._buffers: list[Tensor] = []
        self._kept_buffers: list[Tensor] = []

    @property
    def is_clean(self) -> bool:
        """Whether every step has been judged; `settle` judges what is left."""
        return not self._unread

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what a step or a training may have to go back to."""
        self._batches, self._losses = [], []
        self._unread.clear()
        self._buffers = list(pl_module.buffers())
        self._kept_buffers = [buffer.clone() for buffer in self._buffers]
        self._mean_norm = self._mean_norm.to(trainer.strategy.root_device)
        if self.then == "roll_back":
            self._roll_back.remember(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Free the start of the training once there is a checkpoint."""
        self._roll_back.forget_when_written(trainer)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the batch and, at the first of a step, the buffers that it may spoil."""
        if not self._batches and self._buffers:
            torch._foreach_copy_(self._kept_buffers, self._buffers)
        # In memory until the verdict anyway, it is looked at only where that is bad.
        is_held = not self._num_late and trainer.accumulate_grad_batches == 1
        self._batches.append(note_batch(batch, batch_idx, is_held=is_held))

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Note the loss of each batch of the step."""
        self._losses.append(loss.detach().float())

    @torch.no_grad()
    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Judge the step, and keep the optimiser from taking one that is not finite."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
        norm = norm.to(self._mean_norm)
        losses = torch.stack(self._losses) if self._losses else norm.new_zeros(0)
        limit = self._limit()
        is_bad = self._judge(trainer, losses, norm, limit)
        place = trainer.global_step, trainer.current_epoch
        step = _Step(*place, self._batches, losses, norm, limit, is_bad)
        self._batches, self._losses = [], []
        self._num_late = self._lag_of(trainer, optimizer)
        if self._num_late:
            optimizer.found_inf = is_bad  # type: ignore[attr-defined]
            for buffer, kept in zip(self._buffers, self._kept_buffers, strict=True):
                torch.where(is_bad > 0, kept, buffer, out=buffer)
            self._unread.append(_copied_to_host(step))
        elif is_bad.item():
            for parameter in parameters:
                parameter.grad = None  # an optimiser passes over parameters without one
            if self._buffers:
                torch._foreach_copy_(self._buffers, self._kept_buffers)
            self._unread.append(step)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Report a skipped step and, past the budget, go back or stop."""
        self._read(trainer, pl_module, num_left=0 if trainer.is_last_batch else self._num_late)
        if self._logged != self.skipped:
            self._logged = self.skipped
            pl_module.log("train/skipped_steps", float(self.skipped), rank_zero_only=True)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge what is left, so that what is validated is not given up."""
        self.settle(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge what is left, and log how many steps were skipped."""
        self.settle(trainer, pl_module)
        pl_module.log("train/skipped_steps", float(self.skipped), rank_zero_only=True)

    def settle(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge every step that was taken; all processes have to ask."""
        self._read(trainer, pl_module, num_left=0)

    def state_dict(self) -> dict[str, object]:
        """Counts, window, mean norm and the learning rate's scale, in plain values."""
        return {
            "skipped": self.skipped,
            "recent": list(self._recent),
            "roll_backs": self.roll_backs,
            "lr_scale": self.lr_scale,
            "mean_norm": self._mean_norm.tolist(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on with the counts of a checkpoint."""
        self.skipped = self._logged = state_dict["skipped"]
        self._recent = list(state_dict["recent"])
        self.roll_backs, self.lr_scale = state_dict["roll_backs"], state_dict["lr_scale"]
        self._mean_norm = torch.tensor(state_dict["mean_norm"])

    def _limit(self) -> Tensor:
        """The largest norm that is no spike."""
        if self.spike_factor is None:
            return torch.full_like(self._mean_norm[0], math.inf)
        mean, num_steps = self._mean_norm
        return torch.where(num_steps < _WARMUP_STEPS, math.inf, self.spike_factor * mean)

    def _judge(self, trainer: Trainer, losses: Tensor, norm: Tensor, limit: Tensor) -> Tensor:
        """1.0 where the step has to be skipped, else 0.0: the same in every process."""
        is_finite, is_steady = torch.isfinite(norm), norm <= limit
        is_steady = is_steady | ~is_finite if _scaler(trainer) else is_steady & is_finite
        is_bad = (~(torch.isfinite(losses).all() & is_steady)).float()
        if trainer.world_size > 1:
            torch.distributed.all_reduce(is_bad, torch.distributed.ReduceOp.MAX)
        if self.spike_factor is not None:
            mean, num_steps = self._mean_norm
            change = (norm - mean) / (num_steps + 1).clamp(max=_MEAN_STEPS)
            more = torch.stack([change, torch.ones_like(change)])
            self._mean_norm += torch.where((is_bad == 0) & is_finite, more, 0.0)
        return is_bad

    def _lag_of(self, trainer: Trainer, optimizer: Optimizer) -> int:
        if self.lag is not None:
            return self.lag
        is_fused = all(group.get("fused") for group in optimizer.param_groups)
        on_cuda = trainer.strategy.root_device.type == "cuda"
        # A scaler waits for the device at every step anyway, and sets the verdict itself.
        return int(on_cuda and is_fused and not _scaler(trainer))

    def _read(self, trainer: Trainer, pl_module: LightningModule, *, num_left: int) -> None:
        while len(self._unread) > num_left:
            step = self._unread.popleft()
            if step.copied is not None:
                step.copied.synchronize()
            if step.is_bad.item():
                self._report(trainer, pl_module, step)

    def _report(self, trainer: Trainer, pl_module: LightningModule, step: _Step) -> None:
        own = find_suspects(trainer, step.batches, step.losses, step.norm.item(), step.limit.item())
        suspects = strongest(gather_items([own]))
        pl_module.print(f"skipped step {step.number}: {describe(suspects)}")
        if trainer.is_global_zero:
            append_rows(self.path, suspects, step=step.number, epoch=step.epoch)
        self.skipped += 1
        self._recent = [n for n in self._recent if n > step.number - self.window] + [step.number]
        if len(self._recent) > self.budget:
            self._heal(trainer, pl_module, suspects[0].reason)

    def _heal(self, trainer: Trainer, pl_module: LightningModule, reason: str) -> None:
        counted = f"{len(self._recent)} of the last {self.window} steps were skipped"
        if self.then == "stop" or self.roll_backs >= self.max_roll_backs:
            after = f" after {self.roll_backs} roll-backs" if self.roll_backs else ""
            raise FloatingPointError(
                f"{counted}{after} ({reason} at step {self._recent[-1]}), expected at most "
                f"{self.budget}; a lower learning rate, weaker augmentation or "
                f"trainer.precision=32-true usually helps; {self.path} lists them"
            )
        place = self._roll_back(trainer, self.lr_factor)
        self.roll_backs += 1
        self.lr_scale *= self.lr_factor
        self._recent = []
        pl_module.print(
            f"{counted}: back to {place}, at {self.lr_scale:g} times the configured learning rate"
        )


def _scaler(trainer: Trainer) -> Any:
    """The precision's gradient scaler, if it has one."""
    return getattr(trainer.precision_plugin, "scaler", None)


def _copied_to_host(step: _Step) -> _Step:
    """The step with its verdict on the way to the host, which nobody waits for."""
    if step.is_bad.device.type != "cuda":
        return step
    is_bad = step.is_bad.to("cpu", non_blocking=True)
    copied = torch.cuda.Event()
    copied.record()
    return step._replace(is_bad=is_bad, copied=copied)
