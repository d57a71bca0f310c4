"""Trainings that diverge: nothing of them takes the place of what was sound, and one line says what to do."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fractalvid.pretrain.cli import main
from fractalvid.pretrain.engine.checkpoint import CHECKPOINT, load_checkpoint
from fractalvid.pretrain.engine.divergence import IN_A_ROW
from fractalvid.pretrain.engine.update import Update
from fractalvid.pretrain.machine.processes import rank
from fractalvid.pretrain.objectives.supervised import Supervised
from fractalvid.utils.errors import UserError
from tests.pretrain.helpers import Coloured, equal_state, fit, run, saved_model, tiny
from tests.pretrain.ranks import on_ranks

STEPS: dict[str, Any] = {"steps": 12, "checkpoint_every": 4, "max_bad_share": 1.0}


def overflow_at(number: int, patch: pytest.MonkeyPatch) -> None:
    """From now on, the step of that number leaves a weight that is not finite, as too high a rate does."""
    step, done = Update.step, 0

    def overflows(self: Update, batch: Any, lr: float) -> dict[str, float] | None:
        nonlocal done
        values = step(self, batch, lr)
        done += 1
        if done == number:
            with torch.no_grad():
                self.parameters[0].view(-1)[0] = float("inf")
        return values

    patch.setattr(Update, "step", overflows)


@pytest.mark.parametrize(("overflows", "ends", "kept"), [(6, 7, 4), (12, 12, 8), (2, 3, None)])
def test_weights_that_are_not_finite_are_neither_measured_nor_saved(
    overflows: int, ends: int, kept: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def validate(network: nn.Module) -> dict[str, float]:
        assert all(tensor.isfinite().all() for tensor in network.state_dict().values())
        return {"top1": 0.5}

    whole, resumed = tiny(), tiny(seed=9 if kept else 0)
    fit(tmp_path / "whole", whole, validate=validate, **STEPS)
    with monkeypatch.context() as patch:
        overflow_at(overflows, patch)
        with pytest.raises(UserError, match=f"after step {ends} the weights are not finite.* a lower --lr") as told:
            fit(tmp_path / "run", validate=validate, **STEPS)
    assert ("--resume" in str(told.value)) == (kept is not None)
    assert (tmp_path / "run" / CHECKPOINT).exists() == (kept is not None)
    assert kept is None or load_checkpoint(tmp_path / "run" / CHECKPOINT)["step"] == kept
    fit(tmp_path / "run", resumed, validate=validate, resume=True, **STEPS)
    assert equal_state(resumed, whole)


class Hidden(Supervised):
    """Learns as others do, while on one process something that no loss shows ceases to be finite."""

    slow: Tensor

    def __init__(self, on: int) -> None:
        super().__init__(tiny())
        self.register_buffer("slow", torch.ones(()))
        self.on = on

    def after_step(self, step: int, total: int | None) -> None:
        self.slow.fill_(float("nan") if step >= 3 and rank() == self.on else 1.0)


def test_what_no_loss_shows_is_not_saved_either(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="after step 4 the weights are not finite"):
        fit(tmp_path, Hidden(on=0), **STEPS)
    assert not (tmp_path / CHECKPOINT).exists()


def test_an_average_that_is_not_finite_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: Any, network: nn.Module) -> None:
        next(self.network.parameters()).fill_(float("nan"))

    monkeypatch.setattr("fractalvid.pretrain.optim.ema.Ema.update", torch.no_grad()(spoil))
    with pytest.raises(UserError, match="after step 4 the weights are not finite"):
        fit(tmp_path, ema=0.9, **STEPS)


def test_a_checkpoint_of_such_weights_is_not_gone_on_from(tmp_path: Path) -> None:
    fit(tmp_path, steps=2)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    state["model"]["fc.weight"][0, 0] = float("nan")
    torch.save(state, tmp_path / CHECKPOINT)
    with pytest.raises(UserError, match=r"checkpoint\.pt are not finite.*begin anew with a lower --lr"):
        fit(tmp_path, steps=2, resume=True)


def test_many_skipped_steps_in_a_row_end_a_run_whatever_their_share(tmp_path: Path) -> None:
    fit(tmp_path / "fewer", source=Coloured(broken=frozenset(range(5, 4 + IN_A_ROW))), **{**STEPS, "steps": 40})
    options = {**STEPS, "steps": 100, "checkpoint_every": 10}
    with pytest.raises(UserError, match=r"the last 20 steps had a non-finite loss.*checkpoint\.pt is of before"):
        fit(tmp_path / "run", source=Coloured(broken=frozenset(range(5, 100))), **options)
    state = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    assert (state["step"], state["skipped_in_a_row"]) == (20, 15)

    class Asked(Coloured):
        last = 0

        def batch(self, index: int, next_index: int) -> Any:
            Asked.last = index
            return super().batch(index, next_index)

    with pytest.raises(UserError, match="the last 20 steps"):
        fit(tmp_path / "run", source=Asked(broken=frozenset(range(5, 100))), resume=True, prefetch=1, **options)
    assert 24 <= Asked.last <= 27  # step 25 was the twentieth; a few were fetched ahead


@pytest.mark.parametrize(("precision", "advised"), [("fp32", False), ("bf16", True)])
def test_another_arithmetic_is_advised_where_there_is_a_better(precision: str, advised: bool, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"6 of 6 steps .* a lower --lr") as told:
        fit(tmp_path, source=Coloured(broken=frozenset(range(20))), steps=20, precision=precision, max_bad_share=0.25)
    assert ("--precision fp32" in str(told.value)) == advised


def test_the_command_ends_with_a_line_and_keeps_what_was_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--steps", "4", "--val-clips", "0", "--checkpoint-every", "2")
    assert run(tmp_path / "whole", *options) == 0
    with monkeypatch.context() as patch:
        overflow_at(4, patch)
        assert run(tmp_path / "run", *options) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("pretrain: error: after step 4 the weights are not finite")
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    assert main(["--resume", "--no-progress", "--out", str(tmp_path / "run")]) == 0
    assert equal_state(saved_model(tmp_path / "run"), saved_model(tmp_path / "whole"))


def diverge_on_one(out: Path) -> None:
    fit(out, Hidden(on=1), batch_size=12, **STEPS)


def test_processes_end_together(tmp_path: Path) -> None:
    assert on_ranks(2, diverge_on_one, tmp_path / "run", told=tmp_path / "told") == [2, 2]
    told = [(tmp_path / "told" / f"{r}.txt").read_text() for r in (0, 1)]
    assert "after step 4 the weights are not finite" in told[0]
    assert told[1] == ""
    assert "checkpoint.pt" not in os.listdir(tmp_path / "run")
