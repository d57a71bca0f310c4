"""Networks for video: one table of architectures, each of which maps float32 (B, 3, T, H, W) to logits (B, K)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
