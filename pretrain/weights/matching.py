"""Which of our networks the tensors of somebody's file are of, whatever stands before their names."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from fractalvid.pretrain.models import ARCHITECTURES, architecture
from fractalvid.pretrain.weights.cards import in_head
from fractalvid.pretrain.weights.state_dicts import read_state_dicts
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted, first_few

_COUNTERS = ("num_batches_tracked", "total_ops", "total_params", "n_averaged")
"""Last parts of names of what only counts, of steps or of operations; a file may have them or lack them."""
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2)
"""Types of tensors that are taken over; there are others that PyTorch converts to none of these."""
_COPY = re.compile(r"ema|averag|swa|teacher|target|momentum|slow|(?:^|[._])(?:k|key)(?:[._]|$)", re.IGNORECASE)
"""In names of what follows a network that is trained: averages of its weights, encoders of keys, teachers."""


@dataclass(frozen=True, eq=False)
class Match:
    """How tensors fit one network.

    Attributes:
        arch: the network.
        where: the entry of the file, and what stands before all names in it.
        state: the tensors by our names, the head's included.
        wanted: number of tensors that the backbone has.
        fitting: how many of these are there, in the shape they should have.
        missing: names of those that are not there.
        unlike: those of another shape or type, each with what is wrong.
        extra: names that belong to parts of the network, but not to this one.
        unused: names of what else is there.
        passed_over: where copies of the network lie that were not taken.
    """

    arch: str
    where: str
    state: Mapping[str, Tensor]
    wanted: int
    fitting: int
    missing: tuple[str, ...]
    unlike: tuple[str, ...]
    extra: tuple[str, ...]
    unused: tuple[str, ...]
    passed_over: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the network has all that it needs, and nothing is left that it should have."""
        return not (self.missing or self.unlike or self.extra)

    def faults(self) -> str:
        """What does not fit, for an error."""
        kinds = [("missing", self.missing), ("of another shape or type", self.unlike), ("left over", self.extra)]
        told = [f"{len(names)} {what} (first: {names[0]})" for what, names in kinds if names]
        return f"{self.fitting} of {counted(self.wanted, 'tensor')} match, {', '.join(told)}"

    def origin(self) -> str:
        """Where the tensors lie in the file, and what else there was, as part of a line."""
        there = f" from {self.where}" if self.where else ""
        return there + (f", not from its copy {first_few(self.passed_over, 2)}" if self.passed_over else "")


@cache
def _layout(arch: str) -> dict[str, torch.Size]:
    """Shapes of all tensors of a network, by name; nothing is computed."""
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in architecture(arch).build(1).state_dict().items()}


@cache
def _backbone(arch: str) -> dict[str, torch.Size]:
    """Those that a file has to have."""
    head = architecture(arch).head
    return {name: shape for name, shape in _layout(arch).items() if not (in_head(name, head) or _counts(name))}


def _counts(name: str) -> bool:
    return name.rpartition(".")[2] in _COUNTERS


def find_network(path: Path, arch: str | None = None) -> Match:
    """The network whose tensors the file at `path` holds.

    Args:
        path: a file of weights without a card.
        arch: the architecture that it is to be; None for any that fits alone.

    Raises:
        UserError: it can't be read, fits no network, not the one asked for, or several; or it holds several networks,
            or values that are not finite.
    """
    if arch is not None:
        architecture(arch)
    dicts = read_state_dicts(path)
    matches = _matches(dicts, [arch] if arch else ARCHITECTURES)
    whole = [match for match in matches if match.whole]
    fitting = list(dict.fromkeys(match.arch for match in whole))
    if not whole:
        raise UserError(_misfit(path, arch, dicts, matches))
    if len(fitting) > 1:
        raise UserError(f"of which network? say {' or '.join(f'{path}:{name}' for name in fitting)}")
    match = _taken(path, whole)
    # As the network holds them: what float64 can hold may be infinite in float32.
    broken = [name for name in _backbone(match.arch) if not bool(match.state[name].float().isfinite().all())]
    if broken:
        raise UserError(f"the weights {path} are not finite in {counted(len(broken), 'tensor')} (first: {broken[0]})")
    return match


def _matches(dicts: Mapping[str, Mapping[str, Tensor]], archs: Sequence[str] | Mapping[str, object]) -> list[Match]:
    return [match for where, tensors in dicts.items() for arch in archs for match in _fits(arch, where, tensors)]


def _fits(arch: str, where: str, tensors: Mapping[str, Tensor]) -> Iterator[Match]:
    """How tensors fit a network: once for each place that its names may begin at, of those that fit best."""
    checkpoint = architecture(arch).checkpoint
    if checkpoint is not None and checkpoint.is_theirs(tensors):
        yield _match(arch, where, checkpoint.rename(tensors), others={})
        return
    for prefix in _prefixes(tensors, _backbone(arch)):
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        others = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
        yield _match(arch, f"{where} {prefix}".strip(), own, others)


def _prefixes(tensors: Mapping[str, Tensor], wanted: Mapping[str, torch.Size]) -> list[str]:
    """What stands before the names of most tensors that are wanted; more than one where a file has copies."""
    votes, deepest = Counter[str](), max(name.count(".") for name in wanted) + 1
    for name, tensor in tensors.items():
        parts = name.split(".")
        for kept in range(min(len(parts), deepest), 0, -1):
            own = ".".join(parts[-kept:])
            if wanted.get(own) == tensor.shape:
                votes[name.removesuffix(own)] += 1
    most = max(votes.values(), default=0)
    return [prefix for prefix, number in votes.items() if number == most] or [""]


def _match(arch: str, where: str, own: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> Match:
    head, wanted = architecture(arch).head, _backbone(arch)
    parts = {name.partition(".")[0] for name in _layout(arch)} - {head}
    rest = [name for name in own if name not in wanted and not in_head(name, head) and not _counts(name)]
    unlike = [told for name, shape in wanted.items() if name in own and (told := _difference(name, own[name], shape))]
    missing = [name for name in wanted if name not in own]
    return Match(
        arch,
        where,
        state={name: tensor for name, tensor in own.items() if name in _layout(arch) or in_head(name, head)},
        wanted=len(wanted),
        fitting=len(wanted) - len(missing) - len(unlike),
        missing=tuple(missing),
        unlike=tuple(unlike),
        extra=tuple(name for name in rest if name.partition(".")[0] in parts),
        unused=tuple(name for name in [*rest, *others] if name.partition(".")[0] not in parts or name in others),
    )


def _difference(name: str, tensor: Tensor, shape: torch.Size) -> str | None:
    """What keeps a tensor from being taken over."""
    if tensor.shape != shape:
        return f"{name} is {tuple(tensor.shape)}, not {tuple(shape)}"
    if tensor.layout != torch.strided or tensor.is_meta or tensor.dtype not in _FLOATS:
        return f"{name} is {tensor.dtype}" + ", without values" * tensor.is_meta
    return None


def _taken(path: Path, whole: Sequence[Match]) -> Match:
    """The network that was trained, of those that are there: not an average or a teacher of it."""
    trained = [match for match in whole if not _COPY.search(match.where)] or list(whole)
    first, *rest = trained
    different = [other.where or "the file itself" for other in rest if not _equal(first, other)]
    if different:
        raise UserError(
            f"{path} holds several networks, under {first_few([first.where or 'the file itself', *different])}: save "
            "the one that is meant alone"
        )
    copies = tuple(match.where for match in whole if match is not first and match not in rest)
    return Match(**{**vars(first), "passed_over": copies})


def _equal(a: Match, b: Match) -> bool:
    return all(torch.equal(a.state[name], b.state[name]) for name in _backbone(a.arch))


def _misfit(path: Path, arch: str | None, dicts: Mapping[str, Mapping[str, Tensor]], matches: Sequence[Match]) -> str:
    """Why no network was found, and which the tensors are of, if one is known."""
    best = max(matches, key=lambda match: match.fitting)
    if arch is None:
        nearest = "" if not best.fitting else f"; nearest is {best.arch}: {best.faults()}"
        names = max(dicts.values(), key=len)
        return f"the tensors of {path} ({first_few(names, 2)}) are of none of the networks here{nearest}"
    fitting = dict.fromkeys(match.arch for match in _matches(dicts, ARCHITECTURES) if match.whole)
    hint = f"; they are those of {' or '.join(fitting)}: say {' or '.join(f'{path}:{name}' for name in fitting)}"
    return f"the weights {path} do not fit {arch}: {best.faults()}{hint if fitting else ''}"
