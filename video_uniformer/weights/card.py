"""The model card of a network: what a person reads on the Hugging Face hub."""

from collections.abc import Mapping

from video_uniformer.clip import ImageSpec, PersonSpec, SceneSpec
from video_uniformer.description import Description, NetworkArguments
from video_uniformer.weights.hub import DEFAULT_FILE, SCHEME
from video_uniformer.weights.releases import Release
from video_uniformer.weights.zoo import find_release

LIBRARY = "video-uniformer"
PLACEHOLDER = "owner/repo"
DATASETS = {
    "in1k": "ImageNet-1K",
    "k400": "Kinetics-400",
    "k600": "Kinetics-600",
    "ssv1": "Something-Something V1",
    "ssv2": "Something-Something V2",
    "ucf101": "UCF101",
    "hmdb51": "HMDB51",
    "ade20k": "ADE20K",
    "coco": "COCO",
}
# The published measure of a release, as the hub calls it; it has no name for AP of joints.
_METRICS = {"top-1": ["accuracy"], "mIoU": ["mean_iou"]}
NUM_NAMES_SHOWN = 5
# Arguments of the builder that a model card tells, unless they are as usual.
_SHOWN: dict[str, object] = {
    "variant": None,
    "head_dim": None,
    "layer_scale": None,
    "attention": "global",
    "embed_frames": 1,
    "token_labels": False,
    "head": None,
}


def model_card(description: Description, parameters: int, repo: str = PLACEHOLDER) -> str:
    """The `README.md` of a repository on the hub: nothing but what is known of it.

    Args:
        description: As in `save_weights`, with all arguments of the network.
        parameters: How many the network has.
        repo: Owner and name of the repository, for the examples.
    """
    release = find_release(str(description.source))
    network = description.network
    kind = "video" if network["ndim"] == 3 else "image"
    sections = [
        f"# UniFormer, {_plain(network['variant'])}, for {kind}s",
        "UniFormer ([2201.04676](https://arxiv.org/abs/2201.04676), "
        "[2201.09450](https://arxiv.org/abs/2201.09450)) joins convolution and self-attention in "
        f"one backbone: local token affinity in the shallow stages, global affinity in the deep.\n"
        f"`{DEFAULT_FILE}` says itself how the network is built and, where it is known, what "
        "it takes and which classes it names.",
        _table(description, parameters),
        _origin(description, release),
        _usage(description, repo),
    ]
    return (
        f"---\n{_metadata(description, release)}\n---\n\n"
        + "\n\n".join(filter(None, sections))
        + "\n"
    )


def _metadata(description: Description, release: Release | None) -> str:
    """The YAML at the head of a card, by which the hub sorts."""
    from huggingface_hub import ModelCardData  # late: it takes a second, and only cards need it

    network = description.network
    kind = "video" if network["ndim"] == 3 else "image"
    pipeline = {"segmentation": "image-segmentation", "pose": "keypoint-detection"}
    features = "feature-extraction" if kind == "video" else "image-feature-extraction"
    data = ModelCardData(
        library_name=LIBRARY,
        license="apache-2.0" if release else None,  # the authors'; of other weights it is not known
        pipeline_tag=pipeline.get(
            description.task or "",
            f"{kind}-classification" if network["num_classes"] else features,
        ),
        tags=["uniformer", "pytorch", kind],
        datasets=["imagenet-1k"] if release and release.dataset == "in1k" else None,
        metrics=_METRICS.get(release.metric) if release and _is_of(release, network) else None,
    )
    return data.to_yaml()


def _table(description: Description, parameters: int) -> str:
    rows = {"parameters": f"{parameters:,}"}
    network: Mapping[str, object] = description.network
    rows |= {
        name: f"`{_plain(network[name])}`"
        for name, usual in _SHOWN.items()
        if network.get(name, usual) not in (None, usual)
    }
    rows |= _input_rows(description)
    names = description.class_names
    if names:
        shown = ", ".join(f"`{_plain(name)}`" for name in names[:NUM_NAMES_SHOWN])
        rest = ", ..." if len(names) > NUM_NAMES_SHOWN else ""
        rows["classes"] = f"{len(names)}, in this order: {shown}{rest}"
    lines = ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items())]
    return "\n".join(lines)


def _input_rows(description: Description) -> dict[str, str]:
    spec = description.input
    if spec is None:
        return {}
    channels = {"channels": spec.channel_order.upper()}
    if isinstance(spec, SceneSpec):
        taken = f"at most {spec.short_side} pixels along the shorter side, {spec.long_side} along"
        return {"image": f"{taken} the longer"} | channels
    if isinstance(spec, PersonSpec):
        return {"person": f"{spec.height} x {spec.width} pixels (height x width)"} | channels
    if isinstance(spec, ImageSpec):
        taken = f"{100 * spec.crop_share:g} % of the shorter side, {spec.interpolation}"
        return {"image": f"{spec.size} x {spec.size} pixels, {taken}"} | channels
    stride = spec.stride
    picked = "one of each equal part of the video" if stride is None else f"stride {stride}"
    views = f"{spec.num_clips} x {spec.num_crops}"
    fusion = description.fusion or "logits"
    return {
        "clip": f"{spec.num_frames} frames ({picked}), {spec.size} x {spec.size} pixels",
        **channels,
        "views of a video (clips x crops)": f"{views}; {fusion} averaged",
    }


def _origin(description: Description, release: Release | None) -> str:
    source = description.source
    if release is None:
        return f"The weights come from `{_plain(source)}`." if source else ""
    if not _is_of(release, description.network):
        return f"The weights were made from the authors' release `{release.name}`."
    views = f", {release.frames}x{release.crops}x{release.clips}" if release.task == "video" else ""
    size = str(release.size) if release.width is None else f"{release.size}x{release.width}"
    measure = "top-1 accuracy" if release.metric == "top-1" else release.metric
    article = "a" if release.metric == "top-1" else "an"
    return (
        f"The weights come from the authors' release `{release.file}` (`{release.name}`, "
        f"[link]({release.drive_url})), for which they published {article} {measure} of "
        f"{release.figure:.1f} % on {DATASETS[release.dataset]} ({size} px{views})."
        f"{_more_results(release)}"
    )


def _more_results(release: Release) -> str:
    """What was published of a segmentation file beside its main figure."""
    if not release.results and release.attention == "global":
        return ""
    shown = []
    for test in release.tests:
        windows = "" if test.attention == "global" else f" in windows of {test.window_size}"
        multi = test.multi_scale
        scales = "" if multi is None else f" ({multi:.1f} at six scales, mirrored too)"
        shown.append(f"{test.figure:.1f}{scales} with {test.attention} attention{windows}")
    return f" By attention: {', '.join(shown)}."


def _is_of(release: Release, network: NetworkArguments) -> bool:
    """Whether a network is the released one, as far as its shapes go."""
    built: Mapping[str, object] = release.builder_arguments()
    said: Mapping[str, object] = network
    shapes = ("variant", "ndim", "num_classes", "token_labels", "head")
    return all(said.get(name) == built.get(name) for name in shapes)


def _usage(description: Description, repo: str) -> str:
    network, lines = description.network, []
    file = "clip.mp4" if network["ndim"] == 3 else "photo.jpg"
    if description.class_names and not network.get("head"):
        lines = [
            "```bash",
            f"video-uniformer predict {file} --checkpoint {SCHEME}{repo}",
            "```",
            "",
            "```python",
            "from video_uniformer import load_classifier",
            "",
            f'classifier = load_classifier("{SCHEME}{repo}")',
            f'print(classifier("{file}").top(5))',
            "```",
            "",
        ]
    name = "UniFormerMaps" if network.get("features_only") else "UniFormer"
    heads = {"segmentation": "Segmenter", "pose": "PoseNetwork"}
    name = heads.get(description.task or "", name)
    shape = "(B, 3, T, H, W)" if network["ndim"] == 3 else "(B, 3, H, W)"
    gives = "logits (B, K)" if network["num_classes"] else "features (B, D)"
    gives = "four stage maps" if network.get("features_only") else gives
    if network.get("head"):
        gives = "(B, K, H/4, W/4)"
    lines += [
        "```python",
        f"from video_uniformer.weights.pretrained import {name}",
        "",
        f'network = {name}.from_pretrained("{repo}")  # {shape} -> {gives}',
        "```",
    ]
    return "\n".join(["## Use", "", *lines])


def _plain(value: object) -> str:
    """On one line, and without what Markdown would read as code, a table or HTML."""
    return " ".join(str(value).translate(str.maketrans("`|<>", "'/()")).split())
