from .gradcam import grad_cam as grad_cam
from .gradcam import last_maps as last_maps
