"""Clips that look filmed: parameters are drawn (`draw`), become homographies (`geometry`), are applied (`layers`)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
