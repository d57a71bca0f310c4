from .batch import Batch as Batch
from .config import StreamConfig as StreamConfig
from .fractal_stream import FractalStream as FractalStream
from .second_view import SecondView as SecondView
from .stored import emulate_clips as emulate_clips
from .validation import ValidationClips as ValidationClips
