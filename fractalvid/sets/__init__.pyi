from .config import SetConfig as SetConfig
from .generation import generate as generate
from .reader import ClipError as ClipError
from .reader import SetReader as SetReader
from .torch_set import FractalSet as FractalSet
from .verification import repair as repair
from .verification import verify as verify
