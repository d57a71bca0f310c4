"""Random augmentation: each batch is transformed by a tuple that is drawn anew from the pool."""

from dataclasses import replace

from fractalvid.finetune.generalise.methods.base import DomainBatch, Method
from fractalvid.finetune.generalise.pool import Pixels, draw_tuples


class RandomPool(Method):
    """The augmentation search's pool without its search."""

    def __init__(self, pixels: Pixels, seed: int) -> None:
        """Draw by `seed`; `pixels` says what normalised clips are."""
        super().__init__()
        self.pixels, self.seed = pixels, seed

    def change(self, batch: DomainBatch, step: int) -> DomainBatch:
        """The batch under the step's own tuple."""
        chosen = draw_tuples(self.seed, step, 1)[0]
        return replace(batch, video=self.pixels.transform(batch.video, chosen))
