"""Sweeps over settings of a fine-tuning: every cell of a grid looked at on validation videos, the best tested once."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
