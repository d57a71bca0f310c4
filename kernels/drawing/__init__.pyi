from .noise import NoiseJobs as NoiseJobs
from .noise import render_noise as render_noise
from .painter import ABSENT as ABSENT
from .painter import Layers as Layers
from .painter import colourise as colourise
from .painter import paint_layers as paint_layers
from .textures import TEXTURES as TEXTURES
