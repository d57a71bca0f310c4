"""Studies: what a choice of pre-training is worth after transfer, by several pre-trainings of each choice."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
