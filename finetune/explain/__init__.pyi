from .gradcam import grad_cam as grad_cam
from .gradcam import last_maps as last_maps
from .shortcuts import ShortcutScores as ShortcutScores
from .shortcuts import probe_shortcuts as probe_shortcuts
