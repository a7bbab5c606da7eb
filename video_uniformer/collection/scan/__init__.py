"""Looking at every video of a collection before anything is trained on it."""

from video_uniformer.collection.scan.findings import Finding, Scan, find_all
from video_uniformer.collection.scan.inspection import STATUSES, FileReport, inspect_file
from video_uniformer.collection.scan.listing import Item, Listing, read_sources
from video_uniformer.collection.scan.outputs import summary, write_outputs
from video_uniformer.collection.scan.run import scan_files
from video_uniformer.system.journal import Journal

__all__ = [
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
