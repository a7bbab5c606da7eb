"""The classifier that the options of `predict` describe, and what its answers depend on."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from video_uniformer.cli.answer_printing import PICTURES, VIDEOS, Words

# What needs torch is imported late: help and errors of usage need none.
if TYPE_CHECKING:
    from video_uniformer.inference.classifier import VideoClassifier
    from video_uniformer.inference.images import ImageClassifier
    from video_uniformer.weights.reading import Checkpoint

    Classifier = VideoClassifier | ImageClassifier

# Of the options, those that say nothing to a picture.
FOR_VIDEOS = ("frames", "stride", "clips", "crops", "bgr", "decoder", "deadline")
DECODER, DEADLINE_SECONDS = "auto", 60.0  # where they are not given


def load(options: argparse.Namespace, checkpoint: "Checkpoint") -> "tuple[Classifier, Words]":
    """The classifier, and what the files are called that it answers.

    Raises:
        ValueError: The checkpoint is none of a classifier, or does not go with the options.
    """
    from video_uniformer.inference.classifier import load_classifier
    from video_uniformer.labels.names import read_class_names

    takes_pictures = checkpoint.description.task == "image_classification"
    if takes_pictures:
        _refuse_options_for_videos(options)
    classifier = load_classifier(
        checkpoint,
        class_names=None if options.classes is None else read_class_names(options.classes),
        clip=None if takes_pictures else _clip(options),
        image={"size": options.size} if takes_pictures and options.size is not None else None,
        decoder=options.decoder or DECODER,
        device=options.device,
        deadline_seconds=None if takes_pictures else _deadline(options),
        salvage=options.salvage,
    )
    return classifier, PICTURES if takes_pictures else VIDEOS


def _refuse_options_for_videos(options: argparse.Namespace) -> None:
    for name in FOR_VIDEOS:
        if getattr(options, name) not in (None, False):
            raise ValueError(
                f"--{name} is given, but {options.checkpoint} is a network for images, "
                "expected it with one for videos alone"
            )


def _deadline(options: argparse.Namespace) -> float | None:
    seconds: float = DEADLINE_SECONDS if options.deadline is None else options.deadline
    return seconds or None


def _clip(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of `ClipSpec` that the options say."""
    clip: dict[str, Any] = {
        "num_frames": options.frames,
        "stride": None if options.stride in (None, "segments") else int(options.stride),
        "size": options.size,
        "num_clips": options.clips,
        "num_crops": options.crops,
        "channel_order": "bgr" if options.bgr else None,
    }
    return {
        name: value
        for name, value in clip.items()
        if value is not None or (name == "stride" and options.stride == "segments")
    }


def fingerprint(options: argparse.Namespace, classifier: "Classifier") -> str:
    """A short text that changes with the weights, and with whatever else answers depend on."""
    from video_uniformer.inference.classifier import VideoClassifier
    from video_uniformer.weights.sources import weights_digest

    digest = weights_digest(options.checkpoint)
    told: list[object]
    if isinstance(classifier, VideoClassifier):
        told = [asdict(classifier.clip), classifier.class_names, classifier.fusion]
        told.append(classifier.decoder)
    else:
        told = [asdict(classifier.image), classifier.class_names]
    digest.update(json.dumps([*told, options.salvage, options.top]).encode())
    return digest.hexdigest()[:12]
