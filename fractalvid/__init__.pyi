from . import finetune as finetune
from . import kernels as kernels
from . import pretrain as pretrain
from .core.bank import Bank as Bank
from .core.camera import CameraConfig as CameraConfig
from .core.colour import ColourConfig as ColourConfig
from .emulate.config import EmulationConfig as EmulationConfig
from .fractals.bank import ClassBank as ClassBank
from .fractals.config import ClassConfig as ClassConfig
from .kinds import load_bank as load_bank
from .kinds import register_kind as register_kind
from .kinds import render_clip as render_clip
from .kinds import sample_bank as sample_bank
from .sets import FractalSet as FractalSet
from .sets import SetConfig as SetConfig
from .sets import generate as generate
from .sets import verify as verify
from .stream import Batch as Batch
from .stream import FractalStream as FractalStream
from .stream import SecondView as SecondView
from .stream import StreamConfig as StreamConfig
from .stream import emulate_clips as emulate_clips
from .utils.errors import UserError as UserError
from .video.encoding.writer import write_video as write_video
from .video.reader import read_video as read_video

__version__: str
