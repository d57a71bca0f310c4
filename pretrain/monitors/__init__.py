"""What is measured of a network on held-out clips while it trains: accuracy, and what its features tell."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
