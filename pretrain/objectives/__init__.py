"""What a network is trained for: a module that holds it and turns a batch into a loss."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
