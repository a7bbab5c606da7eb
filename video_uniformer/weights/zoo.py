"""Every classification, segmentation and pose checkpoint that the authors of UniFormer released.

Compiled from the READMEs and the code of the official repository (github.com/Sense-X/UniFormer) and
from the authors' repositories on the Hugging Face hub. The detectors are not among them, nor is
UniFormer-S 32x4 for Kinetics-400, which was published but not released.
"""

from video_uniformer.system.suggestions import nearest
from video_uniformer.weights.dense_zoo import DENSE_RELEASES
from video_uniformer.weights.families import (
    fine_tuned_release,
    image_release,
    kinetics_release,
    light_release,
)
from video_uniformer.weights.releases import Release

__all__ = ["RELEASES", "Release", "find_release", "nearest_release"]

IMAGE = "Sense-X/uniformer_image"
VIDEO = "Sense-X/uniformer_video"
AUTHOR = "Andy1621/uniformer"
LIGHT = "Andy1621/uniformer_light"

# network, size, top-1, multiply-adds counted, as published, identifier on Google Drive
_IMAGE_RELEASES = (
    image_release("xxs", 128, 76.8, 0.427, 0.43, "1Cr7uB5hUck1BHioEROWZjfLpYRwg4Zps"),
    image_release("xxs", 160, 79.1, 0.661, 0.67, "1CsXCzfVFPyM2mY8BA_1fO3q_VBngnF44", repo=LIGHT),
    image_release("xxs", 192, 79.9, 0.956, 0.96, "1CjrCEnZCk2aLrN7nVG8vFvu3FAUL4_Y_"),
    image_release("xxs", 224, 80.6, 1.306, 1.3, "1Cw9r_3c30N-esFI8RFYa6rQXJrr1rAHY"),
    image_release("xs", 192, 81.5, 1.424, 1.4, "1Ce2Dk9-k_-sHt5dXp-gfNOEK37Jdcffv"),
    image_release("xs", 224, 82.0, 1.941, 2.0, "1CwQ91fjuAu3Rhn3zV4vjAmQ8v36AfYPT"),
    image_release("small", 224, 82.9, 3.64, 3.6, "1-uepH3Q3BhTmWU6HK-sGAGQC_MpfIiPD", repo=IMAGE),
    image_release(
        "small_plus", 224, 83.4, 4.21, 4.2, "10IN5ULcjz0Ld_lDokkTGOSmRFXLzUkEs", repo=IMAGE
    ),
    image_release("base", 224, 83.8, 8.27, 8.3, "1-wT39QazTGELxgrQIu6J12D3qcla3hui", repo=IMAGE),
    image_release("base_ls", 224, 83.9, 8.27, 8.3, "10FnwzMVgGL8bPO3EMZ7oG4vDvqnPoBK5"),
    image_release("small_plus_dim64", 224, 83.4, 4.21, 4.2, "178ipRvMBKeAP_Fzy6fEr2HQkIQWdgEY6"),
    image_release("small_tl", 224, 83.4, 3.67, 3.6, "16wjfeyqQFZ2x9W91EXf0Py1bfv4Fydfr"),
    image_release("small_plus_tl", 224, 83.9, 4.24, 4.2, "16rgtEVEeX3jVTQaiLsojBQP5sRaj_2aZ"),
    image_release("base_tl", 224, 85.1, 8.30, 8.3, "16nsTjawiYZuoCHBRarr58zA7vCFcmQmL"),
    # The published costs of the large network are wrong: activation checkpointing hid a part of it
    # from the authors' counter (issue 75 of the official repository).
    image_release("large_ls_tl", 224, 85.6, 19.76, 12.6, "173e2qaJhOwbuC_DbNQSH47Oo_04mSfDj"),
    image_release("small_dim64_tl", 224, 83.4, 3.67, 3.6, "17NC5qqAWCT2gI_jY_cJnFTOqRQTSwsoz"),
    image_release("small_plus_dim64_tl", 224, 83.6, 4.24, 4.2, "17OfoDWt2_nA0BYN0OuLPpG8mHJDTluQQ"),
    image_release("base_dim64_tl", 224, 84.8, 8.30, 8.3, "17MneG9CnZG6zBvXYUr4WUXoTYc4rjJj5"),
    image_release("small_tl", 384, 84.6, 11.94, 11.9, "16p4CXzuXC5J4_SJK67dsvnc8gTKmtKN1"),
    image_release("small_plus_tl", 384, 84.9, 13.76, 13.7, "16wJT87vTc43Dt1q2sXrxZRUuEdrNdFdk"),
    image_release("base_tl", 384, 86.0, 27.28, 27.2, "16kZlIarIwf9ldkCdHVKTQfFmDgfkucQ7"),
    image_release("large_ls_tl", 384, 86.3, 62.88, 39.2, "174rcA6rNzYVG9Ya9ik-NwTGoxW1M79ez"),
)

# frames, size, top-1, multiply-adds counted, as published, identifier on Google Drive
_LIGHT_RELEASES = (
    light_release(4, 128, 63.2, 1.003, 1.0, "1EFBxDS2m4mpk_sYejnPuGSDRH_1ELDhx", layer_scale=0.1),
    light_release(4, 160, 65.8, 1.577, 1.6, "1DtTFT7FZ_kUjxqXAYyWhfXSr_EIHQi8a", layer_scale=0.1),
    light_release(8, 128, 68.3, 2.032, 2.0, "1E9VwV-XJQCmo9nBhxLxa9DdphZiIg38z", layer_scale=0.1),
    light_release(8, 160, 71.4, 3.239, 3.3, "1Dxq82X8mBsfVOzij0HSeb1g4sdez71FM"),
    light_release(16, 128, 73.3, 4.214, 4.2, "1DngSOmw0rStnYZlaCnz1xII6CU2d2R_j"),
    light_release(16, 160, 75.1, 6.866, 6.9, "1DxqrNHb4h1ZKnEFaqbkKJAXQsyIFeD7b", repo=LIGHT),
    light_release(32, 160, 77.9, 15.33, 15.4, "1EIVXRYn5UIkLaJGDpTBxTcyog_dKbcZe"),
    light_release(32, 192, 78.6, 33.91, 34.2, "1DtdX-keSB-RkH23KqtQH36IMOUmol1kw", variant="xs"),
)

# data set, variant, frames, stride, top-1, identifier on Google Drive
_KINETICS_RELEASES = (
    kinetics_release("k400", "small", 8, 8, 78.4, "1-kitVTkWErHXI_x-sLItvK9-sOmb53j6"),
    kinetics_release("k400", "small", 16, 4, 80.8, "1-jGZIIuTM5IYIpqkNTojhGhfMc7Gu9Kt"),
    kinetics_release("k400", "small", 16, 8, 80.8, "174muWZJcZHieABDZMKiJ0tNeFLoEkJLx", repo=VIDEO),
    kinetics_release("k400", "base", 8, 8, 79.8, "1hBxGU-QE8hGRBjSNCymJ7Au06LhluvTv"),
    kinetics_release("k400", "base", 16, 4, 82.0, "15ipzFaZdTt-aHv7jcr_h_vgYD2X7D6AD", repo=AUTHOR),
    kinetics_release(
        "k400", "base", 16, 8, 81.7, "1VoZcpFZbk9lEyRQ7gqRgT4CsnVt9g7uk", inferred=True
    ),
    kinetics_release("k400", "base", 32, 4, 82.9, "1gHxx8cr1H0CNvngj1kB9ArgcPfJtqjCV", repo=VIDEO),
    kinetics_release("k600", "small", 16, 4, 82.8, "1-dqzjm5RZVspWHQLRD4S1vo4_6jyVltb"),
    kinetics_release("k600", "small", 16, 8, 82.7, "1-c835NJjg_015WxLBQF-1cPdQsyWMWfY", repo=VIDEO),
    kinetics_release("k600", "base", 16, 4, 84.0, "1nBQCBCsCflhZ4OGUoGB3pAkc_GDau7vd"),
    kinetics_release(
        "k600", "base", 16, 8, 83.4, "1aidHdSd-h65-_EUkfNOdMMw0ZB8G5maY", inferred=True
    ),
    kinetics_release("k600", "base", 32, 4, 84.5, "1-DwdVf8w8lYj-iFpU40pfEpog9VE5PQB", repo=VIDEO),
)

# data set, variant, frames, start, top-1, identifier on Google Drive
_FINE_TUNED_RELEASES = (
    fine_tuned_release("ssv1", "small", 16, "k400", 57.2, "1-bdFsmXt2Ztf43lrVgmqS8_VYJ8tub6J"),
    fine_tuned_release(
        "ssv1", "small", 16, "k600", 57.6, "1-YbYGjM15MDtQnrmCeZ9H2ybNdYTFkgO", repo=VIDEO
    ),
    fine_tuned_release("ssv1", "small", 32, "k400", 58.8, "1-Y5ADssqM2C8o_1jix48fQM788mVGWQ3"),
    fine_tuned_release("ssv1", "small", 32, "k600", 59.9, "1-XEgaGqXGp1EGzFl63ctApnvU54X27WP"),
    fine_tuned_release("ssv1", "base", 16, "k400", 59.1, "1uMq4W5lf17vOHUmccNjYLeTMqaWHSh6v"),
    fine_tuned_release("ssv1", "base", 16, "k600", 58.8, "1xpiL8zEDWYHFR55gOsbQiI41YEjTD89J"),
    fine_tuned_release("ssv1", "base", 32, "k400", 60.9, "18A3FuUUbdQ8ehMQ0D78qTTtm6YmIVWaO"),
    fine_tuned_release(
        "ssv1", "base", 32, "k600", 61.0, "1xE1aJYAYFOlXOkpiIbJFHu_jSrr8reKm", repo=VIDEO
    ),
    fine_tuned_release("ssv2", "small", 16, "k400", 67.7, "1-Wq22024HB7tT8kPX6eSMn2GUNMI-_gY"),
    fine_tuned_release(
        "ssv2", "small", 16, "k600", 69.4, "1-V1mQp4fIIYhaXUWCgZXkJ0H6ne0Z8rz", repo=VIDEO
    ),
    fine_tuned_release("ssv2", "small", 32, "k400", 69.0, "1-5Q5S-NRmHFkIBygaRYpJLT7aI9cpmky"),
    fine_tuned_release("ssv2", "small", 32, "k600", 70.4, "1-1K5R3Ed4t8d_DZnJ62xysIt1dBNmx96"),
    fine_tuned_release("ssv2", "base", 16, "k400", 70.4, "1s78JBpnykyJ7pYEGRDK8BZL9seIRIUlC"),
    fine_tuned_release("ssv2", "base", 16, "k600", 70.2, "16nCBGWzMM8n8Vr_EY0UmvgzLG0S_QYef"),
    fine_tuned_release("ssv2", "base", 32, "k400", 71.1, "1-rpMARXnyvyj6YUJkIvVqtna86egpjoS"),
    fine_tuned_release(
        "ssv2", "base", 32, "k600", 71.2, "1-lkRB3546l_ECuObN_IrHws1C9a-qKPr", repo=VIDEO
    ),
    fine_tuned_release("ucf101", "small", 16, "k400", 98.3, "1Ey8JIGcP8G2H0bKxyNnD61lvHV1eerVt"),
    fine_tuned_release("hmdb51", "small", 16, "k400", 77.5, "1Es4xtcEvQSomnbp6Eo7TC3JejIwHf5yS"),
)

RELEASES: dict[str, Release] = {
    release.name: release
    for release in (
        *_IMAGE_RELEASES,
        *_LIGHT_RELEASES,
        *_KINETICS_RELEASES,
        *_FINE_TUNED_RELEASES,
        *DENSE_RELEASES,
    )
}
_BY_STEM = {release.stem: release for release in RELEASES.values()}


def find_release(name: str) -> Release | None:
    """The release with this name, or None.

    Args:
        name: A key of `RELEASES`, or the published file's name without its ending.

    Example:
        >>> find_release("uniformer_small_k400_16x8").name
        'k400_s_16x8'
    """
    return RELEASES.get(name) or _BY_STEM.get(name)


def nearest_release(name: str) -> str | None:
    """The name of a release, or of its file, that `name` may be a misspelling of, or None."""
    return nearest(name, [*RELEASES, *_BY_STEM])
