"""When a training has diverged. It then ends before its weights replace a checkpoint that is still sound."""

from pathlib import Path

from fractalvid.pretrain.engine.resuming import going_on
from fractalvid.pretrain.engine.state import RunState
from fractalvid.pretrain.machine import ToldByMain, any_of, is_main
from fractalvid.utils.errors import UserError

FEW_STEPS = 100
"""The share of skipped steps is taken of at least this many: one that is skipped early doesn't end a long run."""
IN_A_ROW = 20
"""Skipped steps in a row that end a run, whatever their share. Where one step in twenty is skipped by chance, so many
in a row happen once in 10^26 steps. In float16, so many halve the scale of the loss to a millionth."""


def check_skipped(state: RunState, checkpoint: Path, *, max_share: float) -> None:
    """Raise a `UserError` where too many steps were skipped: more than a share of all, or `IN_A_ROW`.

    Args:
        state: of the run.
        checkpoint: where its last checkpoint lies, if there is one.
        max_share: of the steps so far, that may be skipped.
    """
    counted = max(state.step, min(FEW_STEPS, state.budget.total or FEW_STEPS))
    what = "steps had a non-finite loss or gradients"
    if state.skipped_in_a_row >= IN_A_ROW:
        _end(f"the last {state.skipped_in_a_row} {what}", state, checkpoint)
    if state.skipped > max_share * counted:
        _end(f"{state.skipped} of {state.step} {what}, over the limit of {max_share:.1%}", state, checkpoint)


def check_weights(state: RunState, checkpoint: Path) -> None:
    """Raise a `UserError` where weights are not finite on any process; to be called on all, before they are saved.

    Args:
        state: of the run.
        checkpoint: where its last checkpoint lies, if there is one.
    """
    if any_of(not state.is_finite()):
        _end(f"after step {state.step} the weights are not finite, and were not saved", state, checkpoint)


def _end(reason: str, state: RunState, checkpoint: Path) -> None:
    """Raise a `UserError` that gives a reason and says what may help; the main process alone tells it."""
    precision = "" if state.update.precision.name == "fp32" else ", or with --precision fp32"
    resume = f"; {checkpoint} is of before, and {going_on()} from there" if checkpoint.exists() else ""
    text = f"{reason}: training has diverged; begin anew with a lower --lr{precision}{resume}"
    raise UserError(text) if is_main() else ToldByMain(text)
