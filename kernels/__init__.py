"""Array kernels of the chaos game: points of attractors, histograms and images. Arrays in, arrays out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
