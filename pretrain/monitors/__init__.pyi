from .classification import classification_metrics as classification_metrics
from .config import MonitorConfig as MonitorConfig
from .monitors import build_monitors as build_monitors
from .monitors import together as together
from .neighbours import first_classes as first_classes
from .neighbours import neighbour_metrics as neighbour_metrics
