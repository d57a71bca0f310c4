"""Single-source domain generalisation: learn in one domain, be tested in another that looks otherwise."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
