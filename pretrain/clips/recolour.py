"""Second views in other colours, so that a palette does not tell which two belong together.

Both views of an instance have its palette. Among 128 coloured clips the histogram of their colours alone finds nearly
every other view (benchmarks/results/objectives.md), and a network that is asked for no more learns no more: what Chen
et al. (2020, arXiv 2002.05709, section 3.1) found of crops without colour distortion.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.core.seeds import Domain, Field, index_words, uniforms
from fractalvid.pretrain.clips.indexed import Share
from fractalvid.pretrain.engine import Source, replaced
from fractalvid.utils.tensors import upload

_GREY = torch.full((3, 3), 1 / 3)
_QUARTER = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5


class Recoloured:
    """A source whose second views have other colours than their first.

    Args:
        source: of batches of two views.
        probability: that a second view is recoloured, sample by sample.
        seed: of the run.
        share: which samples this process takes.
    """

    def __init__(self, source: Source, probability: float, *, seed: int, share: Share) -> None:
        """See the class."""
        self._source, self._probability, self._seed, self._share = source, probability, seed, share

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on as the source does."""
        self._source.load_state_dict(state)

    def __iter__(self) -> Iterator[Any]:
        """The source's batches."""
        share = self._share
        for batch in self._source:
            if batch.video2.stride(1) == 0:  # grey, one plane for all channels
                yield batch
                continue
            first = batch.next_index - share.total + share.rank * share.batch_size
            index = np.arange(first, first + share.batch_size)
            yield replaced(batch, video2=recolour(batch.video2, draw_colours(self._probability, self._seed, index)))


def draw_colours(probability: float, seed: int, index: NDArray[np.int64]) -> Tensor:
    """How the colours of samples `index` (B,) are changed: matrices float32 (B, 3, 3), which keep greys as they are.

    Hues are turned by an angle in [0, 2 π), and what is not grey is scaled by a factor in [0, 1]: a function of the
    arguments. Those that stay as they are have the identity.
    """
    u = torch.from_numpy(uniforms(seed, Domain.RECOLOUR, Field.RECOLOURED, *index_words(index), 3))
    changed, turn, factor = u.T[:, :, None, None]
    angle = 2 * np.pi * turn
    # A rotation about the axis of greys, by Rodrigues' formula, without what it does to these.
    turned = torch.cos(angle) * (torch.eye(3) - _GREY) + torch.sin(angle) * _QUARTER
    return torch.where(changed < probability, _GREY + factor * turned, torch.eye(3))


def recolour(video: Tensor, matrix: Tensor) -> Tensor:
    """`video` float32 (B, 3, T, H, W) with the matrices (B, 3, 3) applied to its colours."""
    return torch.einsum("bdc,bcthw->bdthw", upload(matrix.numpy(), video.device), video)
