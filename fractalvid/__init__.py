"""Fractal synthetic video: classes from seeds, clips from classes, batches while a network trains.

    import fractalvid as fv

    bank = fv.ClassBank.sample(1000, seed=0)
    clip = fv.render_clip(bank, class_id=3, instance_id=0)

Names are imported when they are first used: `import fractalvid` alone brings neither torch nor Numba. Which there are,
and where each comes from, stands in `__init__.pyi`.
"""

from pathlib import Path

import lazy_loader

__version__ = "0.1.0"

# In a clone, `kernels`, `pretrain` and `finetune` are links to the folders beside this one. Where git could not make
# links (Windows, unless told otherwise), the folders themselves are found.
if not (Path(__file__).parent / "kernels").is_dir():
    __path__.append(str(Path(__file__).parents[1]))

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
