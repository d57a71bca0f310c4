from .config import CurriculumConfig as CurriculumConfig
from .config import EmulationConfig as EmulationConfig
from .draw import draw_emulation as draw_emulation
from .layers import emulate_samples as emulate_samples
from .presets import PRESETS as PRESETS
from .presets import preset as preset
from .renderer import CpuRenderer as CpuRenderer
from .renderer import RenderOptions as RenderOptions
