"""What the generator knows of a clip exactly, found from what was drawn and never from pixels."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
