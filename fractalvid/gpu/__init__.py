"""Clips of fractals made on a GPU, from drawn samples to pictures, without a copy to the host."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
