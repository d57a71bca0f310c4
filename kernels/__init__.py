"""Arrays in, arrays out: the chaos game (points of attractors, histograms, pictures), and painted layers and noise."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
