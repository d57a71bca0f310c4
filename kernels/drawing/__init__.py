"""What is drawn without a chaos game: gradient noise, and textured discs and polygons."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
