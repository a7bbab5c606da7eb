"""What a released checkpoint is.

The rows of the table are in `zoo.py` and `dense_zoo.py`.
"""

from typing import Literal, NamedTuple

from video_uniformer.clip import ClipSpec, ImageSpec, InputSpec, PersonSpec, SceneSpec
from video_uniformer.description import NetworkArguments
from video_uniformer.labels.names import shipped_class_names
from video_uniformer.skeleton import COCO_PERSON, Skeleton


class Result(NamedTuple):
    """A published test of a released file.

    Attributes:
        attention: `create_segmenter`'s.
        window_size: `create_segmenter`'s.
        figure: As of `Release`.
        gmacs: As of `Release`.
        published_gflops: As of `Release`.
        multi_scale: As of `Release`.
    """

    attention: str
    window_size: int
    figure: float
    gmacs: float
    published_gflops: float | None
    multi_scale: float | None = None


class Release(NamedTuple):
    """One released file: what is in it, what it expects, and where it is.

    Attributes:
        name: Our key, such as "k400_s_16x4".
        task: "image" or "video", for classification; "segmentation" or "pose".
        dataset: "in1k", "k400", "k600", "ssv1", "ssv2", "ucf101", "hmdb51", "ade20k" or "coco".
        variant: `create_uniformer`'s.
        head_dim: Channels of one attention head; no checkpoint reveals it.
        num_classes: Outputs of the head.
        labels: The list of class names in the order of the outputs, see `labels.names.SHIPPED`; or
            "coco_person", the joints of `COCO_PERSON`.
        size: Input height, pixels; of a scene, its shorter side.
        figure: Published `metric` in percent, on the validation set (of split 1, if there are
            three), with one view of a scene.
        parameters: Parameters, counted.
        gmacs: Multiply-adds of one view in 10^9, counted.
        published_gflops: What the READMEs call FLOPs: multiply-adds of all views in 10^9; None
            where they print none.
        file: Name of the file.
        drive_id: Its identifier on Google Drive, where every file is.
        layer_scale: Initial value, or None if the network has no layer scale.
        token_labels: Trained by token labelling, hence with a second linear layer.
        frames: Frames of one clip; 1 for images.
        stride: Frames from one sampled frame to the next; None for segments, and for images.
        clips: Clips per video of the published test.
        crops: Crops per clip of the published test.
        channel_order: "rgb", or "bgr" for what was trained on frame folders, which OpenCV had read.
        inferred: The file's name is known by analogy only.
        wrapper: Key under which the file holds the state dict; None if it is bare or not known
            (reading accepts every published form).
        repo: The authors' repository on the Hugging Face hub that holds the file too, or None.
        init: Name of the release from which it was fine-tuned, or None.
        metric: "top-1", "mIoU" or "AP".
        head: What stands on the stage maps, see `NetworkArguments`; None for a classifier.
        width: Input width, pixels; of a scene, its longer side; None for `size`.
        attention: That of its training.
        window_size: Likewise.
        multi_scale: Published `metric` of a scene seen at six scales and mirrored, or None.
        results: Published tests of the same file under other attention than that of its training.
    """

    name: str
    task: str
    dataset: str
    variant: str
    head_dim: int
    num_classes: int
    labels: str
    size: int
    figure: float
    parameters: int
    gmacs: float
    published_gflops: float | None
    file: str
    drive_id: str
    layer_scale: float | None = None
    token_labels: bool = False
    frames: int = 1
    stride: int | None = None
    clips: int = 1
    crops: int = 1
    channel_order: Literal["rgb", "bgr"] = "rgb"
    inferred: bool = False
    wrapper: str | None = None
    repo: str | None = None
    init: str | None = None
    metric: str = "top-1"
    head: str | None = None
    width: int | None = None
    attention: str = "global"
    window_size: int = 14
    multi_scale: float | None = None
    results: tuple[Result, ...] = ()

    @property
    def ndim(self) -> int:
        """Axes of the network's input: 2 for images, 3 for videos."""
        return 3 if self.task == "video" else 2

    @property
    def input_size(self) -> tuple[int, ...]:
        """(T, H, W) of a clip or (H, W) of an image: of the view that `gmacs` counts."""
        plane = (self.size, self.width or self.size)
        return (self.frames, *plane) if self.task == "video" else plane

    @property
    def tests(self) -> tuple[Result, ...]:
        """All published tests: first that with the attention of the training."""
        own = Result(
            self.attention,
            self.window_size,
            self.figure,
            self.gmacs,
            self.published_gflops,
            self.multi_scale,
        )
        return (own, *self.results)

    @property
    def skeleton(self) -> Skeleton | None:
        """What the joints of a pose network are, or None."""
        return COCO_PERSON if self.task == "pose" else None

    @property
    def stem(self) -> str:
        """The published file's name without its ending."""
        return self.file.removesuffix(".pth")

    @property
    def drive_url(self) -> str:
        """Where the file can be fetched with a browser."""
        return f"https://drive.google.com/file/d/{self.drive_id}"

    def builder_arguments(self) -> NetworkArguments:
        """The arguments of `build_network` that build the released network."""
        arguments = NetworkArguments(
            variant=self.variant,
            ndim=self.ndim,
            num_classes=self.num_classes,
            head_dim=self.head_dim,
            layer_scale=self.layer_scale,
            token_labels=self.token_labels,
        )
        if self.head is not None:
            arguments["head"] = self.head
            arguments["attention"], arguments["window_size"] = self.attention, self.window_size
        return arguments

    def class_names(self) -> tuple[str, ...]:
        """Names of the outputs: classes, or joints."""
        skeleton = self.skeleton
        return skeleton.joints if skeleton else tuple(shipped_class_names(self.labels))

    def input(self) -> InputSpec:
        """What the network saw in the published test.

        Official: image_classification/datasets.py resizes to 256/224 of the size; the networks of
        token labelling follow timm's default of their time instead. Only fpn_seg stretches scenes
        to multiples of 32. Pose networks above 256x192 were trained on wider targets.
        """
        if self.task == "segmentation":
            multiple = 32 if self.head == "semantic_fpn" else 1
            return SceneSpec(self.size, self.input_size[1], multiple=multiple)
        if self.task == "pose":
            sigma = 2.0 if self.size == 256 else 3.0
            return PersonSpec(self.size, self.input_size[1], sigma)
        if self.task == "image":
            return ImageSpec(self.size, crop_share=0.9 if self.token_labels else 224 / 256)
        return ClipSpec(
            num_frames=self.frames,
            stride=self.stride,
            size=self.size,
            num_clips=self.clips,
            num_crops=self.crops,
            channel_order=self.channel_order,
        )


def short_name(network: str) -> str:
    """The words of file names as our keys have them: "small_plus" is "s_plus"."""
    return network.replace("small", "s").replace("base", "b").replace("large", "l")
