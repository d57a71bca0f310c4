"""Fractal synthetic video: classes from seeds, clips from classes, batches while a network trains."""

from pathlib import Path

# In a clone, `kernels`, `pretrain` and `finetune` are links to the folders beside this one. Where git could not make
# links (Windows, unless told otherwise), the folders themselves are found.
if not (Path(__file__).parent / "kernels").is_dir():
    __path__.append(str(Path(__file__).parents[1]))
