"""Looking at every video of a collection before anything is trained on it."""

from video_uniformer.data.scan.findings import Finding, Scan, find_all
from video_uniformer.data.scan.inspect import DECODE, STATUSES, FileReport, inspect_file
from video_uniformer.data.scan.journal import Journal
from video_uniformer.data.scan.listing import Item, Listing, read_sources
from video_uniformer.data.scan.outputs import summary, write_outputs
from video_uniformer.data.scan.run import scan_files

__all__ = [
    "DECODE",
    "STATUSES",
    "FileReport",
    "Finding",
    "Item",
    "Journal",
    "Listing",
    "Scan",
    "find_all",
    "inspect_file",
    "read_sources",
    "scan_files",
    "summary",
    "write_outputs",
]
