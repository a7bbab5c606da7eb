"""Re-encoding a collection once, so that training reads it fast."""

from video_uniformer.collection.prepare.encode import Encoding, Prepared, prepare_file
from video_uniformer.collection.prepare.layout import Job, plan_jobs, write_lists
from video_uniformer.collection.prepare.run import prepare_files
from video_uniformer.collection.prepare.speed import clips_per_second

__all__ = [
    "Encoding",
    "Job",
    "Prepared",
    "clips_per_second",
    "plan_jobs",
    "prepare_file",
    "prepare_files",
    "write_lists",
]
