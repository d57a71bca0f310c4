"""Clips on the fly: whole batches rendered while a network trains."""

from fractalvid.stream.batch import Batch
from fractalvid.stream.config import StreamConfig
from fractalvid.stream.fractal_stream import FractalStream
from fractalvid.stream.second_view import SecondView
from fractalvid.stream.stored import emulate_clips
from fractalvid.stream.validation import ValidationClips

__all__ = ["Batch", "FractalStream", "SecondView", "StreamConfig", "ValidationClips", "emulate_clips"]
