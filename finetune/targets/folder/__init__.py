"""Anybody's own videos: how they are laid out, and which are for testing."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
