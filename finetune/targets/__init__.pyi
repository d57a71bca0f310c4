from .base import Side as Side
from .base import Target as Target
from .base import TargetProtocol as TargetProtocol
from .base import Video as Video
from .registry import TARGETS as TARGETS
from .registry import TargetOptions as TargetOptions
from .registry import make_target as make_target
