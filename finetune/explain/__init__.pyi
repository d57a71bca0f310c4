from .gradcam import grad_cam as grad_cam
from .gradcam import last_maps as last_maps
from .shortcut_result import ShortcutResult as ShortcutResult
from .shortcut_test import find_shortcuts as find_shortcuts
from .shortcuts import ShortcutScores as ShortcutScores
from .shortcuts import probe_shortcuts as probe_shortcuts
