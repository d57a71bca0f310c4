"""Scene debiasing on real video (Choi et al. 2019, arXiv 1912.05534): scenes and people from files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
