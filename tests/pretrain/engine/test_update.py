"""Steps: their parts, their layout, and what compiles."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fractalvid.pretrain.engine.checkpoint import CHECKPOINT, load_checkpoint
from fractalvid.pretrain.engine.objective import Outcome
from fractalvid.pretrain.machine import check_compiler
from fractalvid.pretrain.objectives.supervised import Supervised
from fractalvid.pretrain.optim.config import OptimConfig
from fractalvid.utils.errors import UserError
from tests.pretrain.helpers import Shares, fit, plain


@pytest.mark.parametrize("accumulate", [2, 3])
def test_parts_of_a_batch_train_as_the_whole(tmp_path: Path, accumulate: int) -> None:
    options: dict[str, Any] = {"batch_size": 12, "steps": 8, "log_every": 1, "optim": OptimConfig(lr=0.05)}
    whole, parts = plain(), plain()
    one = fit(tmp_path / "whole", whole, Shares(12), **options)
    other = fit(tmp_path / "parts", parts, Shares(12 // accumulate), accumulate=accumulate, **options)
    for name in ("loss", "accuracy", "grad_norm"):
        expected = [row[name] for row in one.history]
        assert [row[name] for row in other.history] == pytest.approx(expected, rel=1e-4), name
    for k, v in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[k], v, rtol=1e-3, atol=1e-4)
    assert load_checkpoint(tmp_path / "parts" / CHECKPOINT)["next_index"] == 96


def test_a_run_may_go_on_with_another_number_of_parts(tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 12, "steps": 8, "checkpoint_every": 5, "optim": OptimConfig(lr=0.05)}
    whole, first, second = plain(), plain(), plain(seed=3)

    class Ends(Supervised):
        def forward(self, batch: Any) -> Outcome:
            if batch.next_index > 6 * 12:
                raise UserError("power failure")
            return super().forward(batch)

    fit(tmp_path / "whole", whole, Shares(12), **options)
    with pytest.raises(UserError, match="power failure"):
        fit(tmp_path / "turns", Ends(first), Shares(12), **options)
    fit(tmp_path / "turns", second, Shares(4), accumulate=3, resume=True, **options)
    for k, v in whole.state_dict().items():
        torch.testing.assert_close(second.state_dict()[k], v, rtol=1e-3, atol=1e-4)


def test_a_part_that_is_not_finite_skips_the_whole_step(tmp_path: Path) -> None:
    model = plain()
    result = fit(
        tmp_path, model, Shares(6, broken=frozenset({13})), batch_size=12, steps=4, accumulate=2, max_bad_share=0.5
    )
    assert (result.skipped, result.steps) == (1, 4)
    assert all(torch.isfinite(v).all() for v in model.state_dict().values())


def test_compiling_and_channels_last_change_how_not_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    monkeypatch.setenv("CXX", sys.executable)  # as if there were a compiler
    models = plain(), plain()
    fit(tmp_path / "a", models[0], steps=3)
    fit(tmp_path / "b", models[1], steps=3, compile=True, channels_last=True)
    assert compiled == [models[1]]
    weight = models[1].stem.get_parameter("0.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last_3d)
    for k, v in models[0].state_dict().items():
        torch.testing.assert_close(models[1].state_dict()[k], v, rtol=1e-3, atol=1e-4)


def test_compiling_without_a_compiler_is_refused_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match=r"^compile needs a C\+\+ compiler on a CPU, and no-such-compiler is not there"):
        fit(tmp_path / "run", steps=3, compile=True, device="cpu")
    assert not (tmp_path / "run").exists()
    check_compiler(torch.device("cuda"))  # where Triton compiles


def test_networks_of_pictures_are_laid_out_too(tmp_path: Path) -> None:
    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

        def forward(self, video: Tensor) -> Tensor:
            logits: Tensor = self.fc(self.conv(video[:, :, 0]).mean((2, 3)))
            return logits

    model = Frames()
    fit(tmp_path, model, steps=2, channels_last=True)
    assert model.conv.weight.is_contiguous(memory_format=torch.channels_last)
