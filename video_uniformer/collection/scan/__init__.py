"""Looking at every video or picture of a collection before anything is trained on it."""

from video_uniformer.collection.scan.findings import find_all
from video_uniformer.collection.scan.image_inspection import inspect_image
from video_uniformer.collection.scan.inspection import STATUSES, FileReport, inspect_file
from video_uniformer.collection.scan.listing import Item, Listing, read_sources
from video_uniformer.collection.scan.media import PICTURES, VIDEOS, Media
from video_uniformer.collection.scan.outputs import summary, write_outputs
from video_uniformer.collection.scan.results import Finding, Scan
from video_uniformer.collection.scan.run import scan_files
from video_uniformer.system.journal import Journal

__all__ = [
    "PICTURES",
    "STATUSES",
    "VIDEOS",
    "FileReport",
    "Finding",
    "Item",
    "Journal",
    "Listing",
    "Media",
    "Scan",
    "find_all",
    "inspect_file",
    "inspect_image",
    "read_sources",
    "scan_files",
    "summary",
    "write_outputs",
]
