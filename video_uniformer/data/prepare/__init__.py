"""Re-encoding a collection once, so that training reads it fast."""

from video_uniformer.data.prepare.encode import Encoding, Prepared, prepare_file
from video_uniformer.data.prepare.layout import Job, plan_jobs, write_lists
from video_uniformer.data.prepare.run import prepare_files
from video_uniformer.data.prepare.speed import clips_per_second

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
