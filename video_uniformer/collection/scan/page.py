"""A page about a scan for people: one file, which needs no network."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from video_uniformer.collection.scan.inspection import OK, FileReport
from video_uniformer.collection.scan.listing import Item
from video_uniformer.collection.scan.results import Finding, Scan
from video_uniformer.system.printable import show_name

MOST_ROWS = 300
"""Rows of a table about one finding; the manifest has all."""

MOST_FILES = 1000
"""Rows of the table of all files, whose thumbnails would make the page too long to open."""

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em;
  color: #222; background: #fff }
table { border-collapse: collapse; margin: .5em 0 1.5em; font-size: 13px; width: 100% }
th, td { text-align: left; padding: .25em .6em; border-bottom: 1px solid #ddd;
  vertical-align: top; overflow-wrap: anywhere }
th { background: #f3f3f3; position: sticky; top: 0; overflow-wrap: normal }
table.sortable th { cursor: pointer }
td.n { text-align: right; font-variant-numeric: tabular-nums }
td.n, td.word { overflow-wrap: normal }
table.counts { width: auto }
table.counts th + th { text-align: right }
img { height: 64px; display: block }
summary { cursor: pointer }
.problem { border-left: 5px solid #c33; padding-left: .8em }
.note { border-left: 5px solid #999; padding-left: .8em }
.fine { border-left: 5px solid #393; padding-left: .8em }
tbody.group { border-bottom: 3px solid #bbb }
"""
_SCRIPT = """
for (const table of document.querySelectorAll("table.sortable"))
  table.querySelectorAll("th").forEach((head, column) => {
    let up = false;
    head.addEventListener("click", () => {
      up = !up;
      const body = table.tBodies[0], text = row => row.cells[column].textContent;
      const order = new Intl.Collator(undefined, { numeric: true }).compare;
      const rows = [...body.rows].sort((a, b) => order(text(a), text(b)) * (up ? 1 : -1));
      body.append(...rows);
    });
  });
"""
# The page may load nothing, whatever a file's name says.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_HEADINGS = {
    "video": (
        *("picture", "video", "split", "label", "status", "frames", "codec", "size", "fps"),
        *("key frames", "seconds", "reason"),
    ),
    "picture": (
        *("picture", "file", "split", "label", "status", "format", "mode", "size", "turned by"),
        *("frames", "bytes", "reason"),
    ),
}


def write_page(file: Path, scan: Scan, findings: Sequence[Finding]) -> None:
    """Write the page.

    Args:
        file: Where to.
        scan: What was found out.
        findings: The same in words.
    """
    parts = (*_head(scan), *_overview(scan, findings), *_findings(scan, findings), *_classes(scan))
    parts = (
        *parts,
        *_left_out(scan),
        *_files(scan),
        f"<script>{_SCRIPT}</script>",
        "</body>",
        "</html>",
    )
    file.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _text(value: object) -> str:
    return escape(show_name(str(value)))


def _head(scan: Scan) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield f"<title>Scan of {scan.noun}s</title>\n<style>{_STYLE}</style>\n</head>\n<body>"


def _overview(scan: Scan, findings: Sequence[Finding]) -> Iterator[str]:
    good = sum(scan.report(item).status == OK for item in scan.items)
    problems = [finding for finding in findings if finding.is_problem]
    yield f"<h1>Scan of {scan.noun}s</h1>"
    yield f"<p>{good} of {len(scan.items)} listed {scan.noun}s are intact.</p>"
    if not problems:
        yield '<p class="fine">Nothing has to be mended.</p>'
        return
    yield "<h2>What is wrong, and what to do</h2>\n<ol>"
    for finding in problems:
        yield f"<li><b>{_text(finding.title)}.</b> To do: {_text(finding.advice)}.</li>"
    yield "</ol>"


def _findings(scan: Scan, findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        kind = "problem" if finding.is_problem else "note"
        yield f'<div class="{kind}">\n<h3>{_text(finding.title)}</h3>'
        yield f"<p>To do: {_text(finding.advice)}.</p>"
        if finding.groups:
            is_open = " open" if finding.is_problem else ""
            yield f"<details{is_open}><summary>{scan.noun.capitalize()}s</summary>"
            yield from _group_table(scan, finding.groups)
            yield "</details>"
        yield "</div>"


def _group_table(scan: Scan, groups: Sequence[Sequence[Item]]) -> Iterator[str]:
    """Single videos as one table that can be sorted; groups kept together."""
    has_groups = any(len(group) > 1 for group in groups)
    yield '<table class="grouped">' if has_groups else '<table class="sortable">'
    yield _heading(_HEADINGS[scan.noun])
    if not has_groups:
        yield "<tbody>"
    rows = 0
    for group in groups:
        if rows >= MOST_ROWS:
            break
        rows += len(group)
        if has_groups:
            yield '<tbody class="group">'
        yield from (_row(scan, item, with_picture=True) for item in group)
        if has_groups:
            yield "</tbody>"
    if not has_groups:
        yield "</tbody>"
    yield "</table>"
    left = sum(map(len, groups)) - rows
    if left > 0:
        yield f"<p>and {left} more, which are in manifest.csv and summary.json</p>"


def _heading(names: Iterable[str]) -> str:
    return f"<thead><tr>{''.join(f'<th>{_text(name)}</th>' for name in names)}</tr></thead>"


def _row(scan: Scan, item: Item, *, with_picture: bool) -> str:
    report = scan.reports.get(item.path)
    texts = [item.path, item.split, item.label]
    cells = "".join(f"<td>{_text(text)}</td>" for text in texts)
    if report is None:  # in no list, so not looked at
        return f"<tr><td></td>{cells}{'<td></td>' * (len(_HEADINGS[scan.noun]) - 4)}</tr>"
    picture = ""
    if with_picture and report.thumbnail:
        picture = f'<img alt="" src="data:image/jpeg;base64,{report.thumbnail}">'
    facts = _picture_facts(report) if scan.noun == "picture" else _video_facts(report)
    more = "".join(f'<td class="n">{_text(fact)}</td>' for fact in facts)
    start = f'<tr><td>{picture}</td>{cells}<td class="word">{_text(report.status)}</td>'
    return f"{start}{more}<td>{_text(report.reason)}</td></tr>"


def _video_facts(report: FileReport) -> tuple[object, ...]:
    fps = f"{report.fps:g}{' variable' if report.rate == 'variable' else ''}" if report.fps else ""
    numbers = (report.num_frames, report.codec, _size(report), fps)
    return (*numbers, report.key_frame_distance or "", report.seconds or "")


def _picture_facts(report: FileReport) -> tuple[object, ...]:
    turned = f"{report.rotation}{' mirrored' if report.mirrored else ''}"
    words = (report.container, report.pixel_format, _size(report), turned if turned != "0" else "")
    return (*words, report.listed_frames or "", report.size_bytes)


def _size(report: FileReport) -> str:
    return f"{report.width}x{report.height}" if report.width else ""


def _classes(scan: Scan) -> Iterator[str]:
    counts = scan.class_counts()
    names = sorted(set().union(*counts.values()))
    if not names:
        return
    yield f"<h2>{scan.noun.capitalize()}s of each class</h2>"
    yield f'<table class="sortable counts">{_heading(("class", *counts))}<tbody>'
    for name in names:
        cells = "".join(f'<td class="n">{count[name]}</td>' for count in counts.values())
        yield f"<tr><td>{_text(name)}</td>{cells}</tr>"
    yield "</tbody></table>"


def _left_out(scan: Scan) -> Iterator[str]:
    """All kinds, of which the finding names the most frequent."""
    kinds = scan.listing.left_out_kinds
    if kinds:
        yield "<h2>Files left out</h2>"
        yield f'<table class="sortable counts">{_heading(("kind", "files"))}<tbody>'
        for kind, count in kinds.items():
            yield f'<tr><td>{_text(kind)}</td><td class="n">{count}</td></tr>'
        yield "</tbody></table>"


def _files(scan: Scan) -> Iterator[str]:
    shown = scan.items[:MOST_FILES]
    which = (
        f"All {scan.noun}s"
        if len(shown) == len(scan.items)
        else f"The first {len(shown)} {scan.noun}s"
    )
    yield f"<h2>{which}</h2>\n<p>The same, and more of each, is in manifest.csv.</p>"
    yield f'<table class="sortable">{_heading(_HEADINGS[scan.noun])}<tbody>'
    yield from (_row(scan, item, with_picture=len(scan.items) <= MOST_ROWS) for item in shown)
    yield "</tbody></table>"
