"""Names as people may see them, whatever bytes they hold."""


def show_name(text: str) -> str:
    r"""Text as one printable line: bytes that are not UTF-8 as \xNN, control characters as \n.

    Example:
        >>> show_name("a\nb")
        'a\\nb'
    """
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
