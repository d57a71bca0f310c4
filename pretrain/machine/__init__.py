"""What a run asks of the machine: processes, precision, interrupts, clocks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
