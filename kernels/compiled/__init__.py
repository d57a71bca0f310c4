"""What compiled kernels share: how they are compiled and kept, arithmetic, random numbers, types, threads."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
