from .build import build_objective as build_objective
from .config import OBJECTIVES as OBJECTIVES
from .config import ObjectiveConfig as ObjectiveConfig
from .config import SupervisedConfig as SupervisedConfig
from .config import check_alpha as check_alpha
from .supervised import Supervised as Supervised
