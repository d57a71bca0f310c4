from .random import philox4x32 as philox4x32
from .random import seed_words as seed_words
from .random import uniform as uniform
from .threads import available_cores as available_cores
from .threads import run_all as run_all
