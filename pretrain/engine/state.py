"""The state of a training: all that changes from step to step, saved in checkpoints and restored from them."""

from typing import Any

import torch
from torch import nn

from fractalvid.pretrain.engine.log import Meter
from fractalvid.pretrain.engine.update import Update
from fractalvid.pretrain.machine import restore_rng, rng_state
from fractalvid.pretrain.optim import Budget, Ema, restore_optimizer
from fractalvid.utils.errors import UserError

_BACKBONE = "backbone."


class RunState:
    """All that training changes, and how far it is.

    Attributes:
        update: network, objective and optimiser.
        ema: the averaged network, or None.
        budget: how many steps there are.
        meter: what was measured since the last row of the log.
        batch_size: clips a step, of all processes.
        step: steps done, skipped ones included.
        next_index: where the source goes on.
        skipped: steps skipped.
        skipped_in_a_row: of them, those since the last that was not.
    """

    def __init__(self, update: Update, ema: Ema | None, budget: Budget, *, batch_size: int, seed: int) -> None:
        """A run that has done nothing yet."""
        self.update, self.ema, self.budget = update, ema, budget
        self.meter = Meter()
        self.batch_size, self.seed = batch_size, seed
        self.step, self.next_index = 0, 0
        self.skipped, self.skipped_in_a_row = 0, 0

    @property
    def network(self) -> nn.Module:
        """The network to validate, and to keep in the end."""
        return self.update.objective.backbone if self.ema is None else self.ema.network

    def is_finite(self) -> bool:
        """Whether all that is learned is finite on this process: parameters, buffers, and averages."""
        averages = {} if self.ema is None else self.ema.network.state_dict()
        tensors = [*self.update.objective.state_dict().values(), *averages.values()]
        # One transfer for all: on a GPU each one waits.
        return bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps; every rank has to ask, since each has random numbers of its own."""
        weights = self.update.objective.state_dict()
        return {
            "step": self.step,
            "next_index": self.next_index,
            "skipped": self.skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
            "batch_size": self.batch_size,
            "budget": self.budget.state_dict(),
            "meter": self.meter.state_dict(),
            "model": {k.removeprefix(_BACKBONE): v for k, v in weights.items() if k.startswith(_BACKBONE)},
            "objective": {k: v for k, v in weights.items() if not k.startswith(_BACKBONE)},
            "ema": None if self.ema is None else self.ema.state_dict(),
            "precision": self.update.precision.name,
            "optimizer": self.update.optimizer.state_dict(),
            "optimizer_kind": type(self.update.optimizer).__name__,
            "scaler": self.update.scaler.state_dict(),
            **rng_state(self.update.precision.device),
        }

    def load_state_dict(self, state: dict[str, Any], path: object) -> None:
        """Go on where `state_dict` was taken, on any number of processes.

        Raises:
            UserError: what was kept, at `path`, is of another run, or not finite.
        """
        if state["batch_size"] != self.batch_size:
            raise UserError(
                f"the checkpoint {path} is of a run with {state['batch_size']} clips a step, not {self.batch_size}; "
                "a run goes on with its own batch size, on however many processes"
            )
        try:
            self._load(state)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"the checkpoint {path} is of another network or optimiser ({_reason(error)}); "
                "use the run's own settings"
            ) from error
        if self.budget.total is not None and self.budget.total < self.step:
            raise UserError(f"the checkpoint {path} is of step {self.step} already: give more than {self.budget.total}")
        if not self.is_finite():
            raise UserError(
                f"the weights in the checkpoint {path} are not finite: its training had diverged; begin anew with a "
                "lower --lr, in another folder (--out)"
            )
        restore_rng(state, self.update.precision.device, seed=self.seed, step=self.step)

    def _load(self, state: dict[str, Any]) -> None:
        kind = type(self.update.optimizer).__name__
        if state["optimizer_kind"] != kind:
            raise ValueError(f"its optimiser is {state['optimizer_kind']}, not {kind}")
        if (state["ema"] is None) != (self.ema is None):
            raise ValueError("with an average of the weights (--ema), or without")
        weights = {_BACKBONE + k: v for k, v in state["model"].items()} | state["objective"]
        self.update.objective.load_state_dict(weights)
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        restore_optimizer(self.update.optimizer, state["optimizer"])
        self.update.scaler.load_state_dict(state["scaler"])
        self.budget.load_state_dict(state["budget"], done=int(state["step"]))
        self.meter.load_state_dict(state["meter"])
        self.step, self.next_index = int(state["step"]), int(state["next_index"])
        self.skipped, self.skipped_in_a_row = int(state["skipped"]), int(state["skipped_in_a_row"])


def _reason(error: Exception) -> str:
    """What torch says is wrong: the first of the lines below its headline."""
    lines = [line.strip() for line in str(error).splitlines()]
    return lines[min(1, len(lines) - 1)].rstrip(". ") if lines else type(error).__name__
