from .jobs import ABSENT as ABSENT
from .jobs import TEXTURES as TEXTURES
from .jobs import Layers as Layers
from .jobs import NoiseJobs as NoiseJobs
from .noise import render_noise as render_noise
from .painter import colourise as colourise
from .painter import paint_layers as paint_layers
