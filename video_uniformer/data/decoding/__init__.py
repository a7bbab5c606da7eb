"""Decoders: each turns frame numbers into pictures, and knows nothing of why they are wanted."""

from video_uniformer.data.decoding.opening import Video, VideoError, open_video

__all__ = ["Video", "VideoError", "open_video"]
