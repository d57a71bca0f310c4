"""Optimisers, schedules, averages of weights, and how long a budget lasts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
