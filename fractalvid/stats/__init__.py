"""Quality figures of banks and sets: how their clips look and move, and how well their classes are told apart."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
