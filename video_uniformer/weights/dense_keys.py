"""The authors' names of the heads of dense networks to ours and back.

Official: mmsegmentation 0.13 and mmpose 0.16, in which convolutions stand with their norms in
modules of `conv` and `bn`, and up-sampling takes up numbers of its own.
"""

BACKBONE = "backbone."

# The authors' key names -> ours, applied in order; a key that is already ours matches none.
RENAMES = (
    (r"^neck\.lateral_convs\.(\d)\.conv\.", r"head.laterals.\1."),
    (r"^neck\.fpn_convs\.(\d)\.conv\.", r"head.outputs.\1."),
    *((rf"^decode_head\.scale_heads\.(\d)\.{2 * n}\.", rf"head.levels.\1.{n}.") for n in range(3)),
    (r"^decode_head\.psp_modules\.(\d)\.1\.", r"head.pools.\1."),
    (r"^decode_head\.bottleneck\.", "head.bottleneck."),
    (r"^decode_head\.lateral_convs\.", "head.laterals."),
    (r"^decode_head\.fpn_convs\.", "head.outputs."),
    (r"^decode_head\.fpn_bottleneck\.", "head.fusion."),
    (r"^decode_head\.conv_seg\.", "head.classifier.proj."),
    (r"^auxiliary_head\.convs\.0\.", "auxiliary.conv."),
    (r"^auxiliary_head\.conv_seg\.", "auxiliary.classifier.proj."),
    (r"^((?:head|auxiliary)\..*)\.bn\.", r"\1.norm."),
    *((rf"^keypoint_head\.deconv_layers\.{3 * n}\.", f"head.deconvs.{n}.conv.") for n in range(3)),
    *(
        (rf"^keypoint_head\.deconv_layers\.{3 * n + 1}\.", f"head.deconvs.{n}.norm.")
        for n in range(3)
    ),
    (r"^keypoint_head\.final_layer\.", "head.proj."),
)

_POSE = (
    *((rf"^head\.deconvs\.{n}\.conv\.", f"keypoint_head.deconv_layers.{3 * n}.") for n in range(3)),
    *(
        (rf"^head\.deconvs\.{n}\.norm\.", f"keypoint_head.deconv_layers.{3 * n + 1}.")
        for n in range(3)
    ),
    (r"^head\.proj\.", "keypoint_head.final_layer."),
)
_SEGMENTATION = (
    (r"^auxiliary\.conv\.norm\.", "auxiliary_head.convs.0.bn."),
    (r"^auxiliary\.conv\.", "auxiliary_head.convs.0."),
    (r"^auxiliary\.classifier\.proj\.", "auxiliary_head.conv_seg."),
    (r"^(head\..*)\.norm\.", r"\1.bn."),
    (r"^head\.laterals\.(\d)\.(weight|bias)$", r"neck.lateral_convs.\1.conv.\2"),
    (r"^head\.outputs\.(\d)\.(weight|bias)$", r"neck.fpn_convs.\1.conv.\2"),
    *((rf"^head\.levels\.(\d)\.{n}\.", rf"decode_head.scale_heads.\1.{2 * n}.") for n in range(3)),
    (r"^head\.pools\.(\d)\.", r"decode_head.psp_modules.\1.1."),
    (r"^head\.bottleneck\.", "decode_head.bottleneck."),
    (r"^head\.laterals\.", "decode_head.lateral_convs."),
    (r"^head\.outputs\.", "decode_head.fpn_convs."),
    (r"^head\.fusion\.", "decode_head.fpn_bottleneck."),
    (r"^head\.classifier\.proj\.", "decode_head.conv_seg."),
)
# Ours -> the authors', applied in order.
PUBLISHED = (*_POSE, *_SEGMENTATION)
