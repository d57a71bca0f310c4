"""From finished runs to what a paper needs of them: figures with their uncertainty, tables, pictures, one page."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
