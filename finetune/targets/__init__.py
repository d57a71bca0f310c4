"""The benchmarks: which videos and classes each lists, where its files come from, how it is tested."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
