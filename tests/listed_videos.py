"""The data set of a list of videos, under a policy for bad ones."""

from functools import partial
from pathlib import Path

from video_uniformer.clip import ClipSpec
from video_uniformer.data.annotations import read_list
from video_uniformer.data.policy import BadSamplePolicy
from video_uniformer.data.video import sampling
from video_uniformer.data.video.dataset import VideoDataset
from video_uniformer.data.video.train_transforms import train_transform
from video_uniformer.data.video.transforms import eval_transform

CLIP = ClipSpec(num_frames=4, stride=2, size=32, num_clips=2, num_crops=3)


def with_policy(
    root: Path, policy: BadSamplePolicy, *, clip: ClipSpec = CLIP, is_eval: bool = False
) -> VideoDataset:
    return VideoDataset(
        partial(read_list, "list.csv"),
        root=root,
        sampler=sampling.eval_sampler(clip) if is_eval else sampling.train_sampler(clip),
        transform=eval_transform(clip) if is_eval else train_transform(clip),
        seed=7,
        bad_samples=policy,
    )
