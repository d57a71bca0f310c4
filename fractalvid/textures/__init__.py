"""The literature's other synthetic videos as classes: moving shapes, Perlin noise, octopuses, dead leaves."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
