"""Checkpoints: whole or not at all, read back, and never run as code."""

import errno
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import torch

from fractalvid.pretrain.engine.checkpoint import load_checkpoint, save_checkpoint
from fractalvid.utils import files
from fractalvid.utils.errors import UserError


def test_checkpoints_come_back(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"step": 3, "model": {"w": torch.arange(3.0)}})
    save_checkpoint(path, {"step": 4, "model": {"w": torch.arange(4.0)}})
    state = load_checkpoint(path)
    assert state["step"] == 4
    assert torch.equal(state["model"]["w"], torch.arange(4.0))
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_a_failed_save_keeps_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"step": 3})
    with pytest.raises((AttributeError, pickle.PicklingError)):  # by the version of Python
        save_checkpoint(path, {"step": lambda: 4})  # can't be pickled
    assert load_checkpoint(path)["step"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def fails(content: Any, file: BinaryIO) -> None:
    """As `torch.save`, on a disk whose failure torch has not kept."""
    raise RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 704 vs 598")


def test_a_full_disk_is_told_in_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        """A disk on which little fits, as torch meets it."""

        def write(self, data: Any) -> int:
            if self.tell() > 1000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
        files.write_with(path, lambda file: write(Full()))

    path, state = tmp_path / "c.pt", {"model": {"w": torch.zeros(1000)}}
    save_checkpoint(path, {"step": 3})
    again = "the same command with --resume goes on from the last checkpoint, if there is one"
    advice = f"nothing was replaced; make room, then {again}$"
    with monkeypatch.context() as patch:
        patch.setattr("fractalvid.pretrain.engine.checkpoint.write_with", write_with)
        with pytest.raises(UserError, match=rf"^can't write .*c\.pt: No space left on device; {advice}"):
            save_checkpoint(path, state)
    with monkeypatch.context() as patch:
        patch.setattr("torch.save", fails)
        with pytest.raises(UserError, match=rf"^can't write .*c\.pt: most likely the disk is full; {advice}"):
            save_checkpoint(path, state)
    assert load_checkpoint(path)["step"] == 3


def test_checkpoints_with_code_are_refused_and_not_run(tmp_path: Path) -> None:
    target = tmp_path / "ran"

    class Code:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (target,)

    torch.save({"format": "fractalvid.training", "version": 1, "x": Code()}, tmp_path / "c.pt")
    with pytest.raises(UserError, match="can't be read"):
        load_checkpoint(tmp_path / "c.pt")
    (tmp_path / "p.pt").write_bytes(pickle.dumps(Code(), protocol=2))
    with pytest.raises(UserError, match="can't be read"):
        load_checkpoint(tmp_path / "p.pt")
    assert not target.exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_truncated_checkpoints_are_a_user_error(tmp_path: Path, share: float) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"model": {"w": torch.zeros(1000)}})
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match="can't be read"):
        load_checkpoint(path)


def test_foreign_checkpoints_are_a_user_error(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "c.pt")
    with pytest.raises(UserError, match="not a checkpoint of this program"):
        load_checkpoint(tmp_path / "c.pt")
    torch.save({"format": "fractalvid.training", "version": 99}, tmp_path / "c.pt")
    with pytest.raises(UserError, match="version 99"):
        load_checkpoint(tmp_path / "c.pt")
    with pytest.raises(UserError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "nothing.pt")
