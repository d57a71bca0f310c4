"""From decoded videos to training and test clips: windows, augmentation, views."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
