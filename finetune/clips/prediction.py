"""What a network says of videos: class probabilities that their views vote for."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from fractalvid.finetune.cache.parallel import in_order
from fractalvid.finetune.cache.store import ClipStore
from fractalvid.finetune.clips.augment import to_network
from fractalvid.finetune.clips.config import ViewConfig, Voting
from fractalvid.finetune.clips.draws import Floats
from fractalvid.finetune.clips.views import video_views
from fractalvid.finetune.targets.base import Video
from fractalvid.pretrain.models.modes import evaluating
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.bars import bar_options


def vote(logits: Tensor, voting: Voting) -> Tensor:
    """Probabilities (n, K) of videos from the logits (n, V, K) of their V views.

    softmax: the mean of the views' softmax. logits: the softmax of their mean. votes: the share of the views whose best
    class it is; of classes with equally many votes, the one that the mean softmax prefers comes first.
    """
    mean = logits.softmax(2).mean(1)
    if voting == "logits":
        return logits.mean(1).softmax(1)
    if voting == "votes":
        views, classes = logits.shape[1:]
        shares = functional.one_hot(logits.argmax(2), classes).to(mean).mean(1)
        little = 1 / (4 * views)  # less than any difference of two shares
        return (1 - little) * shares + little * mean
    return mean


def probabilities(model: nn.Module, videos: list[Tensor], config: ViewConfig, batch_size: int) -> Tensor:
    """Class probabilities (n, K), float64, of n videos with equally many views, uint8 (V, T, size, size, 3) each."""
    device = next(model.parameters()).device
    parts = [
        model(to_network(part, config.mean, config.std).to(device)).float().double().cpu()
        for part in torch.split(torch.cat(videos), batch_size)
    ]
    clips = torch.cat(parts)
    return vote(clips.view(len(videos), -1, clips.shape[1]), config.voting)


@torch.no_grad()
def predict(
    model: nn.Module,
    videos: Sequence[Video],
    store: ClipStore,
    config: ViewConfig,
    *,
    batch_size: int = 16,
    threads: int = 1,
    progress: bool = False,
) -> Floats:
    """Class probabilities (n, K) of `videos`: what their views vote for.

    `batch_size` counts clips in a forward pass; the result does not depend on it but for rounding. The model
    is left in the mode (training or evaluation) it was in.

    Raises:
        UserError: the network gives probabilities that are no numbers, as after a training that diverged.
    """
    at_once = max(1, batch_size // (config.views * config.crops))
    results, waiting = list[Tensor](), list[Tensor]()
    seen = in_order(lambda video: video_views(store.clip(video), config), videos, threads=threads)
    with evaluating(model):
        for number, views in enumerate(
            tqdm(seen, total=len(videos), desc="testing", unit="video", disable=not progress, **bar_options()), start=1
        ):
            waiting.append(views)
            if len(waiting) == at_once or number == len(videos):
                results.append(probabilities(model, waiting, config, batch_size))
                waiting.clear()
    voted: Floats = torch.cat(results).numpy()
    check_finite(voted)
    return voted


def check_finite(outputs: Floats) -> None:
    """Raise `UserError` for what a network says that is no number."""
    if not np.isfinite(outputs).all():
        raise UserError(
            "the network's outputs are not finite: its training has diverged; train again, with a lower learning rate"
        )
