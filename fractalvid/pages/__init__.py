"""Parts of the pages that people look at: contact sheets, galleries, charts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
