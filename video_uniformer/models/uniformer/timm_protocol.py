"""What timm's tools ask of a network beside its forward, in timm's words."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from video_uniformer.models.uniformer.stages import run_stages

# A pattern of names, whose numbers are the group's place, and what timm puts in or after them.
_Group = tuple[str, tuple[int, ...] | None]

REDUCTIONS = (4, 8, 16, 32)  # of height and width, at the four stages


class TimmProtocol(nn.Module):
    """Stage maps, groups of parameters and switches of a four-stage network, by timm's names."""

    ndim: int
    in_chans: int
    dims: tuple[int, ...]
    stages: nn.ModuleList
    norm: nn.Module

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the head."""
        raise NotImplementedError

    @property
    def feature_info(self) -> list[dict[str, Any]]:
        """Channels, reduction and module name of each stage map, in timm's words."""
        return [
            {"num_chs": dim, "reduction": reduction, "module": f"stages.{number}"}
            for number, (dim, reduction) in enumerate(zip(self.dims, REDUCTIONS, strict=True))
        ]

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that the published recipes do not decay: norms and biases."""
        return {name for name, p in self.named_parameters() if p.ndim <= 1}

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Whether all blocks recompute their activations in the backward pass, or none."""
        stages: Any = self.stages
        for stage in stages:
            stage.num_checkpointed = len(stage.blocks) if enable else 0

    def group_matcher(self, coarse: bool = False) -> dict[str, str | list[_Group]]:
        """Which parameters belong together, by name, for learning rates that decay by layer."""
        blocks: list[_Group] = [
            (r"^stages\.(\d+)\.(?:patch_embed|cls_)", (0,)),
            (r"^stages\.(\d+)\.blocks\.(\d+)", None),
            (r"^norm\.", (99999,)),  # timm's number of what comes last
        ]
        return {
            "stem": r"^stages\.0\.patch_embed",
            "blocks": [(r"^stages\.(\d+)", None), blocks[-1]] if coarse else blocks,
        }

    def prune_intermediate_layers(
        self,
        indices: int | Sequence[int] | None = 1,
        prune_norm: bool = False,
        prune_head: bool = True,
    ) -> list[int]:
        """Remove what the stage maps `indices` do not need; their numbers, from 0 up.

        Raises:
            ValueError: no such map.
        """
        chosen = self._stage_numbers(indices)
        self.stages = self.stages[: max(chosen) + 1]
        if prune_norm or len(self.stages) < len(self.dims):
            self.norm = nn.Identity()
        if prune_head:
            self.reset_classifier(0, "")
        return chosen

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Stage maps, in timm's words.

        Args:
            x: (B, 3, T, H, W) or (B, 3, H, W).
            indices: Which maps: the last so many, or a list of numbers; None for all.
            norm: Whether the map of stage 4 goes through the final norm.
            stop_early: Whether the stages after the last wanted map are left out.
            output_fmt: "NCHW", the layout of the maps.
            intermediates_only: Leave out the last map that is computed (that of stage 4
                normalised), which otherwise comes first.

        Raises:
            ValueError: no such map, or another layout.
        """
        if output_fmt != "NCHW":
            raise ValueError(f"output_fmt is {output_fmt!r}, expected 'NCHW'")
        chosen = self._stage_numbers(indices)
        stages = self.stages[: max(chosen) + 1] if stop_early else self.stages
        maps, _ = run_stages(stages, x, self.ndim, self.in_chans)
        reaches_norm = len(stages) == len(self.dims) and (norm or not intermediates_only)
        last = self.norm(maps[-1]) if reaches_norm else maps[-1]
        if norm:
            maps = [*maps[:-1], last]
        picked = [maps[number] for number in chosen]
        return picked if intermediates_only else (last, picked)

    def _stage_numbers(self, indices: int | Sequence[int] | None) -> list[int]:
        """The maps that `indices` means in timm's words, as numbers from 0 up."""
        count = len(self.stages)
        chosen = range(-indices, 0) if isinstance(indices, int) else indices
        chosen = range(count) if chosen is None else chosen
        if not chosen or not all(-count <= index < count for index in chosen):
            raise ValueError(f"indices is {indices!r}, expected some of the {count} maps")
        return [index % count for index in chosen]
