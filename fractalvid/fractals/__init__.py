"""Fractals as classes: iterated function systems, drawn into banks, fitted to a view, rendered as clips."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
