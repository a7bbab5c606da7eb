"""The table of docs/decoding.md: our decoders are right everywhere; the script writes it so."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def rows() -> list[dict[str, str]]:
    """The rows of the table, by its columns."""
    text = (ROOT / "docs/decoding.md").read_text()
    table = text.split("<!-- written by scripts/decoder_table.py -->\n")[1].split("<!-- end")[0]
    names, _, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
    ]
    return [dict(zip(names, line, strict=True)) for line in lines]


@pytest.mark.parametrize("column", ["ours, auto", "ours, decord"])
def test_all_frames_of_every_kind_are_right(column: str, rows: list[dict[str, str]]) -> None:
    assert {row[column] for row in rows} == {"100"}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The module that writes the table."""
    pytest.importorskip("decord")
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import decoder_table

    yield decoder_table
    del sys.modules["decoder_table"]


def test_every_kind_has_its_rows(script: object, rows: list[dict[str, str]]) -> None:
    expected = [(kind.name, str(gop)) for kind in script.KINDS for gop in kind.gops]
    assert [(row["kind of file"], row["key frame every"]) for row in rows] == expected


@pytest.mark.slow
def test_the_script_finds_what_the_table_says(
    script: object, rows: list[dict[str, str]], tmp_path: Path
) -> None:
    chosen = [k for k in script.KINDS if k.name in ("H.264, mp4", "H.264, stream-copied cut")]
    found = {}
    for kind in chosen:
        path = script.write(kind, 12, tmp_path)
        for column, read in script.readers().items():
            found[kind.name, column] = script.score(read, path)
    written = {row["kind of file"]: row for row in rows if row["key frame every"] == "12"}
    assert found == {key: written[key[0]][key[1]] for key in found}
