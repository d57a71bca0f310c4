"""Tensors by name, read from files that others wrote: by `torch.save`, by Lightning, or as safetensors."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fractalvid.pretrain.weights.cards import load_tensors
from fractalvid.pretrain.weights.folders import is_index, parts_of
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import first_few

SUFFIXES = (".pth", ".pyth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors")
"""Endings of files that hold weights of others."""
_LONGEST_NAME = 500
"""Letters of a name that is looked at: a file may hold any text as one."""
_DEPTH = 3
"""Dictionaries in dictionaries are looked through so deep."""
_WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What torch.compile, FSDP and activation checkpointing put before the names of what they wrap, at any depth."""


def read_state_dicts(path: Path) -> dict[str, dict[str, Tensor]]:
    """All dictionaries of named tensors in a file, by the entry that each is under: "" for the file itself.

    An index (`pretrain.weights.folders`) counts as a file of all that its parts hold.

    No code in the file is ever run.

    Raises:
        UserError: no such file, or it is damaged, holds objects of other types, or no tensors by name.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    content = _put_together(path) if is_index(path) else _content(path)
    found = dict(_dictionaries(content, "", _DEPTH, seen=set()))
    if not found:
        there = (
            f"; it has {first_few((str(key)[:80] for key in content), 4)}"
            if isinstance(content, Mapping) and content
            else ""
        )
        raise UserError(f"{path} holds no tensors by name, as a state_dict does{there}")
    return found


def _content(path: Path) -> Any:
    return load_tensors(path) if _is_safetensors(path) else _unpickled(path)


def _put_together(index: Path) -> dict[str, Tensor]:
    """The tensors of all files that an index names.

    Raises:
        UserError: one is missing, can't be read, or lacks what it should hold.
    """
    tensors: dict[str, Tensor] = {}
    for part, names in parts_of(index).items():
        content = _content(part)
        held = content if isinstance(content, Mapping) else {}
        lacking = sorted(name for name in names if not isinstance(held.get(name), Tensor))
        if lacking:
            raise UserError(f"{part} lacks {first_few(lacking, 2)}, which {index.name} says it holds")
        tensors |= {name: held[name] for name in names}
    return tensors


def _is_safetensors(path: Path) -> bool:
    """Whether the file is one, whatever it is called: the length of a JSON document, then that document."""
    with path.open("rb") as file:
        return path.suffix == ".safetensors" or file.read(9)[8:] == b"{"


def _unpickled(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no common type for what a broken file does to it
        told = str(error)
    alone = "save its tensors alone, as torch.save(model.state_dict(), 'plain.pth')"
    if "TorchScript" in told:
        raise UserError(f"{path} is a program (TorchScript), which is not run: load it yourself and {alone}")
    foreign = re.search(r"GLOBAL ([\w.]+)", told)
    if foreign:
        raise UserError(
            f"{path} holds more than tensors and plain values, such as a {foreign[1]}, and no code in it is run; if "
            "you trust it, load it yourself as c, with weights_only=False, and torch.save(c['state_dict'], "
            "'plain.pth'), or of a whole model torch.save(c.state_dict(), 'plain.pth')"
        )
    raise UserError(f"the weights {path} can't be read: damaged, or not written by torch.save; {alone}")


def _dictionaries(content: Any, where: str, depth: int, seen: set[int]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Dictionaries that hold tensors themselves, the outer ones first; those of optimisers have no names as keys.

    Each is given once, since a file may hold a dictionary in itself; `seen` are those that were.
    """
    if not isinstance(content, Mapping) or id(content) in seen:
        return
    seen.add(id(content))
    named = {key: value for key, value in content.items() if isinstance(key, str) and len(key) <= _LONGEST_NAME}
    tensors = {key: value for key, value in named.items() if isinstance(value, Tensor) and not value.is_nested}
    if tensors:
        yield where, _unwrapped(tensors)
    for key, value in named.items() if depth else ():
        yield from _dictionaries(value, f"{where}.{key}".lstrip("."), depth - 1, seen)


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names that they have in the model below its wrappers."""
    renamed = {_WRAPPERS.sub("", name): tensor for name, tensor in tensors.items()}
    return renamed if len(renamed) == len(tensors) else tensors
