from .batch import DebiasBatch as DebiasBatch
from .config import DebiasConfig as DebiasConfig
from .fill import fill_figures as fill_figures
from .losses import entropy as entropy
from .losses import scene_loss as scene_loss
from .objective import Debiased as Debiased
from .reversal import reverse_gradient as reverse_gradient
