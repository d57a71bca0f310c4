"""Weights put into networks: whole, or everything but the head; never silently a part of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from fractalvid.pretrain.models import backbone, build_model, head_name
from fractalvid.pretrain.weights.cards import find_weights, in_head, load_card, load_described, load_tensors
from fractalvid.pretrain.weights.shipped import at_path_or_shipped
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import first_few

_COUNTER = "num_batches_tracked"
"""BatchNorm's step counter, which older weights lack and nothing here reads."""


@dataclass(frozen=True)
class LoadReport:
    """What came of loading weights.

    Attributes:
        matched: tensors that were loaded.
        missing: tensors of the network that were not (the new head's).
        unexpected: tensors of the file that were not used (the old head's).
        origin: where in the file they come from, and what they are; "" where that is plain.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    origin: str = ""

    def __str__(self) -> str:
        """One line for a user."""
        new = first_few(name for name in self.missing if not name.endswith(_COUNTER))
        loaded = f"{len(self.matched)} of {len(self.matched) + len(self.missing)} tensors loaded{self.origin}"
        return f"{loaded}; newly initialised: {new}; not used: {first_few(self.unexpected)}"


def load_network(path: Path | str) -> nn.Module:
    """The network that the card of the weights at `path` describes, with these weights.

    Args:
        path: the weights file or the folder of a finished run; or the name of weights that come with the program
            (`fractal-small`), where nothing lies there.

    Returns:
        Video float32 (B, 3, T, H, W) to logits (B, K), or to features where the card says K = 0. In training mode, on
        the CPU.

    Raises:
        UserError: unreadable weights, or weights that are not of the architecture on their card.
    """
    path = at_path_or_shipped(path)
    tensors, card = load_described(path)
    network = empty_network(card.architecture, card.num_classes)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        file = find_weights(path)
        raise UserError(f"the weights {file} are not of the {card.architecture} on their card: {reason}") from error
    return network


def empty_network(architecture: str, num_classes: int) -> nn.Module:
    """A network to be filled with weights, with a head of `num_classes`, or without one for 0."""
    return build_model(architecture, num_classes, seed=0) if num_classes else backbone(architecture, seed=0)


def load_backbone(model: nn.Module, path: Path | str, *, head: str | None = None) -> LoadReport:
    """Load everything but the head from weights that `save_weights` wrote.

    Args:
        model: a network of the same architecture; changed in place, and only if everything fits.
        path: the weights file or the folder of a finished run; or a name, as for `load_network`.
        head: the attribute that stays as it is; default that of the architecture on the card.

    Raises:
        UserError: unreadable weights, weights that do not cover the whole backbone exactly, or no such head.
    """
    path = at_path_or_shipped(path)
    card = load_card(path)
    head = head_name(card.architecture) if head is None else head
    source = f"the weights {find_weights(path)} ({card.architecture})"
    return load_backbone_state(model, load_tensors(path), head=head, source=source)


def load_backbone_state(model: nn.Module, state: Mapping[str, Tensor], *, head: str, source: str) -> LoadReport:
    """Load everything but the head from a state dict (torchvision's Kinetics weights, for example).

    Args:
        model: changed in place, and only if everything fits.
        state: tensors by torchvision's names.
        head: the attribute that stays as it is.
        source: what to call `state` in an error.

    Raises:
        UserError: a backbone tensor is missing, left over or of another shape, or there is no such head.
    """
    if not hasattr(model, head):
        raise UserError(
            f"head is {head!r}, and this {type(model).__name__} has no such attribute: its last layer is meant"
        )
    own = model.state_dict()
    wanted = {k for k in own if not in_head(k, head)}
    offered = {k for k in state if not in_head(k, head)}
    missing = sorted(k for k in wanted - offered if not k.endswith(_COUNTER))
    reshaped = sorted(k for k in wanted & offered if own[k].shape != state[k].shape)
    _refuse_partial(source, missing, sorted(offered - wanted), reshaped)
    matched = [k for k in own if k in offered]
    model.load_state_dict({**own, **{k: state[k] for k in matched}})
    return LoadReport(
        tuple(matched), tuple(k for k in own if k not in offered), tuple(k for k in state if k not in offered)
    )


def _refuse_partial(source: str, missing: list[str], left_over: list[str], reshaped: list[str]) -> None:
    faults = [("missing", missing), ("left over", left_over), ("of another shape", reshaped)]
    named = [f"{len(names)} {what} (first: {names[0]})" for what, names in faults if names]
    if named:
        raise UserError(f"{source} do not fit this network: {', '.join(named)}; use the same architecture")
