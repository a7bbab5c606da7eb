"""Annotation files to samples: one reader a format, all with the same keywords.

A reader's positional parameters are paths of its format. Its keywords are the same for all:
`root`, the folder that relative paths start from, and `class_names`, the classes in order where
they are known beforehand. An annotation file that is itself relative is looked for below
`root`, and if it is not there, as given. Whether a sample exists is found out when it is opened.
"""

from video_uniformer.data.annotations.coco_keypoints import (
    PersonAnnotations,
    PersonSample,
    read_coco_keypoints,
)
from video_uniformer.data.annotations.folders import read_folders, read_split_folders
from video_uniformer.data.annotations.image_folders import read_image_folders, read_split_images
from video_uniformer.data.annotations.imagenet import read_imagenet
from video_uniformer.data.annotations.lists import read_frame_list, read_list
from video_uniformer.data.annotations.manifest import read_manifest
from video_uniformer.data.annotations.masks import (
    MaskAnnotations,
    MaskSample,
    read_ade20k,
    read_image_masks,
)
from video_uniformer.data.annotations.published import (
    read_hmdb51,
    read_kinetics_csv,
    read_something_json,
    read_ucf101,
)
from video_uniformer.data.annotations.samples import Annotations, Sample
from video_uniformer.data.annotations.shards import read_shards
from video_uniformer.labels.names import read_class_names

__all__ = [
    "Annotations",
    "MaskAnnotations",
    "MaskSample",
    "PersonAnnotations",
    "PersonSample",
    "Sample",
    "read_ade20k",
    "read_class_names",
    "read_coco_keypoints",
    "read_folders",
    "read_frame_list",
    "read_hmdb51",
    "read_image_folders",
    "read_image_masks",
    "read_imagenet",
    "read_kinetics_csv",
    "read_list",
    "read_manifest",
    "read_shards",
    "read_something_json",
    "read_split_folders",
    "read_split_images",
    "read_ucf101",
]
