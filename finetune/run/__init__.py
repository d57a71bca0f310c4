"""What the commands run: one transfer, comparisons of several, tests of weights, predictions, data sets made ready."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
