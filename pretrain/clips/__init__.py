"""What a network is pre-trained on, besides the stream: generated sets on disk, one's own videos, and mixtures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
