"""Transfer protocols as TOML files, and a run's plan made from one."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
