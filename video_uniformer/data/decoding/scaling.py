"""How large a frame becomes when a smaller one will do."""


def check_short_side(short_side: int | None) -> None:
    """Refuse what is no number of pixels.

    Raises:
        ValueError: `short_side` is neither None nor a whole number from 1 on.
    """
    if short_side is not None and (type(short_side) is not int or short_side < 1):
        raise ValueError(
            f"short_side is {short_side!r}, expected a whole number of pixels >= 1, or None"
        )


def scaled_size(width: int, height: int, short_side: int | None) -> tuple[int, int]:
    """Width and height with a given shorter side, the longer one rounded down; never larger.

    The rounding is that of the published test protocol.

    Args:
        width: Pixels, 1 or more.
        height: Pixels, 1 or more.
        short_side: Pixels of the shorter side wanted; None leaves the size as it is.
    """
    shorter = min(width, height)
    if short_side is None or short_side >= shorter:
        return width, height
    return width * short_side // shorter, height * short_side // shorter
