from .bits import representation_bias as representation_bias
from .config import BiasConfig as BiasConfig
from .gap import Gap as Gap
from .gap import read_gaps as read_gaps
from .measure import Bias as Bias
from .measure import measure_bias as measure_bias
from .overlap import Pair as Pair
from .overlap import find_pairs as find_pairs
