"""What is said of a scan, from reports written by hand."""

import re
from pathlib import Path

import pytest

from video_uniformer.collection.scan import FileReport, Finding, Item, Listing, Scan, find_all

HASHES = ":".join(["0123456789abcdef"] * 5), ":".join(["fedcba9876543210"] * 5)


def found(
    *rows: tuple[str, str, str], unlisted: tuple[str, ...] = (), **reports: FileReport
) -> dict[str, Finding]:
    """Findings on rows of name, split and label; files are intact and distinct unless given."""
    items = [Item(Path(f"{name}.mp4"), split, label) for name, split, label in rows]
    known = {
        item.path: reports.get(item.path.stem, FileReport("ok", content_hash=item.path.stem))
        for item in items
    }
    listing = Listing(items, [Path(name) for name in unlisted], None)
    return {finding.kind: finding for finding in find_all(Scan(listing, known))}


def names(finding: Finding) -> list[list[str]]:
    return [[item.path.stem for item in group] for group in finding.groups]


def test_joined_recordings_are_named() -> None:
    findings = found(
        ("a", "t", "x"), ("b", "t", "x"), b=FileReport("ok", content_hash="b", num_parts=2)
    )
    (finding,) = findings.values()
    assert (finding.kind, finding.is_problem, names(finding)) == ("clock_goes_back", False, [["b"]])


def test_clean_lists_give_nothing() -> None:
    rows = [("a", "train", "x"), ("b", "train", "y"), ("c", "val", "x"), ("d", "val", "y")]
    assert found(*rows) == {}


@pytest.mark.parametrize(
    "status", ["missing", "damaged", "unreadable", "not a video", "hung", "crashed"]
)
def test_bad_file_is_a_problem_with_advice(status: str) -> None:
    findings = found(("a", "t", "x"), ("b", "t", "x"), b=FileReport(status, "so"))
    (finding,) = findings.values()
    assert (finding.is_problem, finding.num_cases, names(finding)) == (True, 1, [["b"]])
    assert finding.title.startswith("1 ")
    assert finding.advice


def test_copies_across_splits_and_inside_one() -> None:
    same, other = FileReport("ok", content_hash="1"), FileReport("ok", content_hash="2")
    rows = [("a", "train", "x"), ("b", "val", "x"), ("c", "train", "x"), ("d", "train", "x")]
    findings = found(*rows, a=same, b=same, c=other, d=other)
    assert names(findings["copies_across_splits"]) == [["a", "b"]]
    assert names(findings["copies_inside_split"]) == [["c", "d"]]
    assert "contradictory_labels" not in findings


def test_examples_of_a_group_show_every_label_and_split() -> None:
    same = FileReport("ok", content_hash="1")
    rows = [(name, "train", "x") for name in "abcd"] + [("e", "train", "y"), ("f", "val", "x")]
    findings = found(*rows, **dict.fromkeys("abcdef", same))
    assert names(findings["contradictory_labels"]) == [list("aebcdf")]
    assert names(findings["copies_across_splits"]) == [list("afbcde")]


def test_examples_of_look_alikes_and_sources_show_every_split() -> None:
    rows = [(name, "train", "x") for name in "abc"] + [("d", "val", "x")]
    alike = {n: FileReport("ok", content_hash=n, picture_hash=HASHES[0]) for n in "abcd"}
    assert names(found(*rows, **alike)["alike_across_splits"]) == [list("adbc")]
    clips = [f"abc_00000{n}_00000{n + 1}" for n in range(4)]
    rows = [(clip, "train", "x") for clip in clips[:3]] + [(clips[3], "val", "x")]
    (group,) = names(found(*rows)["source_across_splits"])
    assert group[:2] == [clips[0], clips[3]]


def test_path_listed_in_two_splits_is_a_copy() -> None:
    findings = found(("a", "train", "x"), ("a", "val", "x"))
    assert names(findings["copies_across_splits"]) == [["a", "a"]]


def test_copies_under_several_labels_contradict() -> None:
    findings = found(("a", "train", "x"), ("a", "train", "y"))
    assert names(findings["contradictory_labels"]) == [["a", "a"]]


@pytest.mark.parametrize("status", ["not a video", "unreadable"])
def test_equal_files_without_a_frame_are_no_copies(status: str) -> None:
    same = FileReport(status, content_hash="1")
    rows = [("a", "train", "x"), ("b", "train", "y"), ("c", "val", "x"), ("d", "val", "y")]
    assert list(found(*rows, a=same, b=same, c=same)) == [status.replace(" ", "_")]


def test_damaged_copies_are_copies() -> None:
    same = FileReport("damaged", content_hash="1", num_frames=3)
    findings = found(("a", "train", "x"), ("b", "val", "x"), a=same, b=same)
    assert names(findings["copies_across_splits"]) == [["a", "b"]]


def test_look_alikes_across_splits_are_a_problem_and_inside_one_a_note() -> None:
    reports = {
        name: FileReport("ok", content_hash=name, picture_hash=HASHES[name in "cd"])
        for name in "abcd"
    }
    rows = [("a", "train", "x"), ("b", "val", "x"), ("c", "train", "x"), ("d", "train", "x")]
    findings = found(*rows, **reports)
    assert names(findings["alike_across_splits"]) == [["a", "b"]]
    assert findings["alike_across_splits"].is_problem
    assert names(findings["alike_inside_split"]) == [["c", "d"]]
    assert not findings["alike_inside_split"].is_problem


def test_bytes_that_are_equal_are_not_told_again_as_looks() -> None:
    same = FileReport("ok", content_hash="1", picture_hash=HASHES[0])
    assert list(found(("a", "t", "x"), ("b", "t", "x"), a=same, b=same)) == ["copies_inside_split"]


def test_clips_of_one_source_in_two_splits_leak() -> None:
    clips = "abcdefghijk_000001_000011", "abcdefghijk_000031_000041", "zbcdefghijk_000001_000011"
    rows = [(clips[0], "train", "x"), (clips[1], "val", "x"), (clips[2], "train", "x")]
    assert names(found(*rows)["source_across_splits"]) == [list(clips[:2])]


def test_clips_of_one_source_in_one_split_do_not() -> None:
    clips = "abcdefghijk_000001_000011", "abcdefghijk_000031_000041"
    assert found(*((clip, "train", "x") for clip in clips)) == {}


def test_video_without_a_label_among_others_is_told() -> None:
    assert names(found(("a", "t", "x"), ("b", "t", ""))["no_label"]) == [["b"]]
    assert found(("a", "t", ""), ("b", "t", "")) == {}


def test_video_in_no_list_is_told() -> None:
    finding = found(("a", "t", "x"), unlisted=("z.mp4",))["unlisted"]
    assert (finding.is_problem, names(finding)) == (False, [["z"]])


def test_class_without_videos_in_a_split_is_named() -> None:
    finding = found(("a", "train", "x"), ("b", "train", "y"), ("c", "val", "y"))[
        "class_without_videos"
    ]
    assert finding.title == "1 of 2 classes have no video in val: x"


def test_imbalance_is_told_from_eleven_to_one() -> None:
    rare = ("rare", "t", "y")
    assert found(rare, *((f"a{n}", "t", "x") for n in range(10))) == {}
    finding = found(rare, *((f"a{n}", "t", "x") for n in range(11)))["imbalance"]
    assert finding.title == "t is unbalanced: 11 videos of x, 1 of y"


def test_slow_files_and_variable_rates_are_notes() -> None:
    slow = FileReport("ok", content_hash="1", key_frame_distance=250)
    varied = FileReport("ok", content_hash="2", rate="variable", key_frame_distance=60)
    findings = found(("a", "t", "x"), ("b", "t", "x"), a=slow, b=varied)
    assert {kind: names(finding) for kind, finding in findings.items()} == {
        "long_key_frame_distance": [["a"]],
        "variable_rate": [["b"]],
    }
    assert not any(finding.is_problem for finding in findings.values())


def test_problems_come_first() -> None:
    slow = FileReport("ok", content_hash="1", key_frame_distance=250)
    findings = found(("a", "t", "x"), ("b", "t", "x"), a=slow, b=FileReport("missing"))
    assert list(findings) == ["missing", "long_key_frame_distance"]


def test_settings_in_advice_are_named_from_the_top() -> None:
    varied = FileReport("ok", rate="variable", content_hash="1")
    bad = {word: FileReport(word) for word in ("damaged", "hung", "crashed")}
    findings = found(*((name, "t", "x") for name in ("a", *bad)), a=varied, **bad)
    advice = " ".join(finding.advice for finding in findings.values())
    settings = set(re.findall(r"(\S+)=\w", advice))
    assert settings == {"data.bad_samples.on_bad_sample", "sampling.by"}
    assert not re.search(r"(?<!data\.)bad_samples\.", advice)
