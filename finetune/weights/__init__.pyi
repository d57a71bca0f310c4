from .classes import ClassMap as ClassMap
from .classes import map_classes as map_classes
from .trained import Trained as Trained
from .trained import open_trained as open_trained
from .trained import open_weights as open_weights
