from .classes import ClassMap as ClassMap
from .classes import map_classes as map_classes
from .initial import Initial as Initial
from .initial import build as build
from .initial import parse_initial as parse_initial
from .trained import Trained as Trained
from .trained import open_trained as open_trained
from .trained import open_weights as open_weights
