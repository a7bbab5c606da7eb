"""Every segmentation and pose checkpoint that the authors of UniFormer released.

Compiled from the READMEs of the official repository, semantic_segmentation and pose_estimation. A
segmentation file trained with global attention was tested with windows, too. Published but not
released are UniFormer-S with Semantic FPN and both UperNets trained with hybrid attention.
"""

from video_uniformer.weights.releases import Release, Result, short_name

# As counted: (variant, head) -> parameters.
_PARAMETERS = {
    ("xxs", "semantic_fpn"): 13_536_710,
    ("xs", "semantic_fpn"): 19_733_398,
    ("small", "semantic_fpn"): 25_299_926,
    ("base", "semantic_fpn"): 53_531_222,
    ("small", "upernet"): 51_521_132,
    ("base", "upernet"): 79_752_428,
    ("small", "pose"): 25_233_489,
    ("base", "pose"): 53_464_785,
}
_HEAD_DIMS = {"xxs": 28, "xs": 32, "small": 64, "base": 64}
_SHORT_HEADS = {"semantic_fpn": "fpn", "upernet": "upernet"}
# A copy of this file on the hub attests its name; the others are those of their configs.
_ATTESTED = "upernet_global_small.pth"


def scene_release(
    head: str,
    variant: str,
    miou: float,
    gmacs: float,
    published_gflops: float | None,
    drive_id: str,
    *,
    attention: str = "global",
    multi_scale: float | None = None,
    results: tuple[Result, ...] = (),
) -> Release:
    """A network for ADE20K: scenes of at most 512 by 2048 pixels, costs at just this size."""
    light, short = variant in ("xxs", "xs"), _SHORT_HEADS[head]
    file = f"{short}_{variant}.pth" if light else f"{short}_{attention}_{variant}.pth"
    trained = "" if attention == "global" else "_h14"
    return Release(
        name=f"ade20k_{short_name(variant)}_{short}{trained}",
        task="segmentation",
        dataset="ade20k",
        variant=variant,
        head_dim=_HEAD_DIMS[variant],
        num_classes=150,
        labels="ade20k",
        size=512,
        figure=miou,
        parameters=_PARAMETERS[variant, head],
        gmacs=gmacs,
        published_gflops=published_gflops,
        file=file,
        drive_id=drive_id,
        inferred=file != _ATTESTED,
        wrapper="state_dict",
        init=f"in1k_{variant}_224" if light else f"in1k_{short_name(variant)}",
        metric="mIoU",
        head=head,
        width=2048,
        attention=attention,
        multi_scale=multi_scale,
        results=results,
    )


def person_release(
    variant: str,
    height: int,
    width: int,
    average_precision: float,
    gmacs: float,
    published_gflops: float,
    drive_id: str,
) -> Release:
    """A network for the persons of COCO, each cut out by its box."""
    return Release(
        name=f"coco_{short_name(variant)}_pose_{height}x{width}",
        task="pose",
        dataset="coco",
        variant=variant,
        head_dim=_HEAD_DIMS[variant],
        num_classes=17,
        labels="coco_person",
        size=height,
        figure=average_precision,
        parameters=_PARAMETERS[variant, "pose"],
        gmacs=gmacs,
        published_gflops=published_gflops,
        file=f"top_down_{height}x{width}_global_{variant}.pth",
        drive_id=drive_id,
        inferred=True,
        wrapper="state_dict",
        init=f"in1k_{short_name(variant)}",
        metric="AP",
        head="pose",
        width=width,
    )


_WINDOW, _HYBRID = ("window", 32), ("hybrid", 32)

DENSE_RELEASES = (
    # head, variant, mIoU, multiply-adds counted, as published, identifier on Google Drive
    scene_release("semantic_fpn", "xxs", 42.3, 132.9, None, "1DPakdzr6G7n8t3_ZAFCx8wFX1r5h_V7-"),
    scene_release("semantic_fpn", "xs", 44.4, 151.4, None, "1Dj3GiQLK7YZPKSgz_Uk8JL1J66XEvw0Y"),
    scene_release(
        *("semantic_fpn", "small", 46.6, 247.1, 247.0, "14bEsZqMw35tmDgrvYA_dRMsSC0Z4TX2Y"),
        results=(
            Result(*_WINDOW, 45.6, 182.7, 183.0),
            Result(*_HYBRID, 46.2, 198.8, 199.0),
        ),
    ),
    scene_release(
        *("semantic_fpn", "base", 47.0, 331.6, 328.0, "14XokJDp1oYDV9jZnniMXyk3AnVfk1S1-"),
        attention="hybrid",
    ),
    scene_release(
        *("semantic_fpn", "base", 48.0, 470.6, 471.0, "14dLoIcAUWjyo1d5XXuo1yb2jcslt_t4P"),
        results=(
            Result(*_WINDOW, 47.0, 309.5, 310.0),
            Result(*_HYBRID, 47.7, 349.8, 350.0),
        ),
    ),
    scene_release(
        *("upernet", "small", 47.6, 1004.3, 1004.0, "13hOneJiFqwEneUz1Zpqo1W2uv7BsoXGF"),
        multi_scale=48.5,
        results=(
            Result(*_WINDOW, 46.6, 939.9, 939.0, 48.4),
            Result(*_HYBRID, 47.0, 956.0, 955.0, 48.5),
        ),
    ),
    scene_release(
        *("upernet", "base", 50.0, 1227.8, 1227.0, "14bEgmFbTijBoTKTwny_aCJlARs6z31mP"),
        multi_scale=50.8,
        results=(
            Result(*_WINDOW, 49.1, 1066.7, 1066.0, 50.6),
            Result(*_HYBRID, 49.5, 1107.1, 1106.0, 50.7),
        ),
    ),
    # variant, height, width, AP, multiply-adds counted, as published, identifier on Google Drive
    person_release("small", 256, 192, 74.0, 4.69, 4.7, "162R0JuTpf3gpLe1IK6oxRoQK7JSj4ylx"),
    person_release("small", 384, 288, 75.9, 11.10, 11.1, "163vuFkpcgVOthC05jCwjGzo78Nr0eikW"),
    person_release("small", 448, 320, 76.2, 14.77, 14.8, "165nQRsT58SXJegcttksHwDn46Fme5dGX"),
    person_release("base", 256, 192, 75.0, 9.22, 9.2, "15tzJaRyEzyWp2mQhpjDbBzuGoyCaJJ-2"),
    # The published cost is that of another row of the authors' table: the small one at 448x320.
    person_release("base", 384, 288, 76.7, 22.11, 14.8, "15qtUaOR_C7-vooheJE75mhA9oJQt3gSx"),
    person_release("base", 448, 320, 77.4, 29.61, 29.6, "156iNxetiCk8JJz41aFDmFh9cQbCaMk3D"),
)
