"""Tensors by name, read from files that others wrote: by `torch.save`, by Lightning, or as safetensors."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fractalvid.pretrain.weights.cards import load_tensors
from fractalvid.utils.errors import UserError
from fractalvid.utils.phrases import first_few

SUFFIXES = (".pth", ".pyth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors")
"""Endings of files that hold weights of others."""
_DEPTH = 3
"""Dictionaries in dictionaries are looked through so deep."""
_WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What torch.compile, FSDP and activation checkpointing put before the names of what they wrap, at any depth."""


def read_state_dicts(path: Path) -> dict[str, dict[str, Tensor]]:
    """All dictionaries of named tensors in a file, by the entry that each is under: "" for the file itself.

    No code in the file is ever run.

    Raises:
        UserError: no such file, or it is damaged, holds objects of other types, or no tensors by name.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    content = load_tensors(path) if _is_safetensors(path) else _unpickled(path)
    found = dict(_dictionaries(content, "", _DEPTH))
    if not found:
        there = f"; it has {first_few(map(str, content), 4)}" if isinstance(content, Mapping) and content else ""
        raise UserError(f"{path} holds no tensors by name, as a state_dict does{there}")
    return found


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


def _dictionaries(content: Any, where: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Dictionaries that hold tensors themselves, the outer ones first; those of optimisers have no names as keys."""
    if not isinstance(content, Mapping):
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        yield where, _unwrapped(tensors)
    for key, value in content.items():
        if depth and isinstance(key, str):
            yield from _dictionaries(value, f"{where}.{key}".lstrip("."), depth - 1)


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names that they have in the model below its wrappers."""
    renamed = {_WRAPPERS.sub("", name): tensor for name, tensor in tensors.items()}
    return renamed if len(renamed) == len(tensors) else tensors
