"""Grids of runs: axes of settings, runs dealt out to devices, what failed and why, the folder of it all."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
