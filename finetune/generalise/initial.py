"""What a run starts from: weights, with their head as far as they were trained on the classes at hand."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from fractalvid.finetune.weights.classes import place_of
from fractalvid.pretrain.models import head_name
from fractalvid.pretrain.weights import Initial, build_initial, load_card, load_network


def starting_network(arch: str, classes: Sequence[str], init: Initial, *, seed: int) -> tuple[nn.Module, str]:
    """The network, and a line on what was loaded.

    Of weights that were fine-tuned on all of `classes` the head is taken over as well, class by class.

    Raises:
        UserError: as `build_initial` does.
    """
    network, loaded = build_initial(arch, len(classes), init, seed=seed)
    places = _places(init, classes)
    if places is None:
        return network, loaded
    assert init.path is not None
    before: nn.Module = getattr(load_network(Path(init.path)), head_name(arch))
    known = dict(before.named_parameters())
    with torch.no_grad():
        for name, parameter in getattr(network, head_name(arch)).named_parameters():
            parameter.copy_(known[name][places])
    return network, f"{loaded.partition(';')[0]}, and the head for these {len(classes)} classes"


def _places(init: Initial, classes: Sequence[str]) -> list[int] | None:
    """The outputs of weights that stand for `classes`; None where one is missing, or the weights name none."""
    if init.kind != "weights" or init.path is None:
        return None
    names = load_card(Path(init.path)).config.get("classes")
    if not isinstance(names, list):
        return None
    places = [place_of(name, [str(known) for known in names]) for name in classes]
    found = [place for place in places if place is not None]
    return found if len(found) == len(places) else None
