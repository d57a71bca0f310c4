"""A budget in steps, epochs or time. Time becomes a number of steps once, after the first timed ones."""

import math
from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec

from fractalvid.utils.duration import parse_hours
from fractalvid.utils.errors import UserError

TIMED_STEPS = 50
"""A budget in time becomes steps after this many, or sooner where they would take much of it."""
TIMED_SHARE = 0.2
"""That is, more than this share."""
COLD_STEPS = 10
"""The first of them compile kernels and fill caches, and are left out of the rate."""


def _from_argument(arguments: list[str]) -> float | None:
    return None if arguments[0].lower() == "none" else parse_hours(arguments[0])


Hours = Annotated[
    float | None,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="TIME",
        instance_from_str=_from_argument,
        is_instance=lambda value: value is None or type(value) in (int, float),
        str_from_instance=lambda hours: ["None" if hours is None else f"{hours:g}"],
    ),
]
"""A number of hours, or None, that a command line and a recipe may also write as `20m` or `2h`."""


def steps_in(budget: float, spent: float, done: int, seconds_a_step: float) -> int:
    """Total steps of a run that may take `budget` seconds, after `done` steps in `spent` seconds."""
    if seconds_a_step <= 0:
        return done
    return done + max(0, math.floor((budget - spent) / seconds_a_step))


def epoch_steps(epochs: float, clips: int, batch_size: int) -> int:
    """Steps of `batch_size` clips that show `clips` clips an epoch at least `epochs` times."""
    # Without the margin, 0.1 epochs of 30 clips in steps of 3 could be two.
    return max(1, math.ceil(epochs * clips / batch_size - 1e-9))


def check_budget(steps: int | None, epochs: float | None, hours: float | None) -> None:
    """Raise a `UserError` unless exactly one of them is given, and above 0."""
    if sum(value is not None for value in (steps, epochs, hours)) != 1:
        raise UserError(
            "a run needs one budget: give steps (--steps 5000), epochs (--epochs 30) or time (--hours 20m), "
            "or a recipe that has one (--recipe small_cpu)"
        )
    check_amounts(steps, epochs, hours)


def check_amounts(steps: int | None, epochs: float | None, hours: float | None) -> None:
    """Raise a `UserError` unless those that are given are above 0."""
    if steps is not None and steps < 1:
        raise UserError(f"steps is {steps}; a run needs at least 1")
    for name, value in (("epochs", epochs), ("hours", hours)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UserError(f"{name} is {value}; a run needs more than 0")


class Budget:
    """How many steps a run has: given, or found out after `TIMED_STEPS` steps at most and from then on fixed.

    Attributes:
        total: number of steps, None while it isn't known yet.
        seconds: time spent in steps so far.
    """

    def __init__(self, steps: int | None, hours: float | None) -> None:
        """Give one of the two.

        Args:
            steps: the number of steps, or None.
            hours: training time (steps and waiting for data; validation comes on top), or None.
        """
        check_budget(steps, None, hours)
        self.total = steps
        self._given = steps is not None
        self.seconds = 0.0
        self._limit = math.inf if hours is None else hours * 3600
        self._warm_seconds = 0.0

    def record(self, done: int, seconds: float) -> None:
        """Count a step: `done` steps are finished, the last one took `seconds`."""
        self.seconds += seconds
        if done > COLD_STEPS:
            self._warm_seconds += seconds
        enough = done >= TIMED_STEPS or (done > COLD_STEPS and self.seconds >= TIMED_SHARE * self._limit)
        if self.total is None and (enough or self.seconds >= self._limit):
            self._find_total(done)

    def state_dict(self) -> dict[str, float | int | None]:
        """What a checkpoint keeps of it."""
        limit = None if math.isinf(self._limit) else self._limit
        return {"total": self.total, "limit": limit, "seconds": self.seconds, "warm_seconds": self._warm_seconds}

    def load_state_dict(self, state: dict[str, float | int | None], *, done: int = 0) -> None:
        """Go on where `state_dict` was taken, after `done` steps.

        A number of steps that was given holds. One that a time came to stays as it is, unless the time is another now.
        """
        self.seconds = float(state["seconds"] or 0.0)
        self._warm_seconds = float(state["warm_seconds"] or 0.0)
        if self._given or state["total"] is None:
            return
        self.total = int(state["total"])
        if state["limit"] != self._limit and done:
            self._find_total(done)

    def _find_total(self, done: int) -> None:
        timed = done - COLD_STEPS
        rate = self._warm_seconds / timed if timed > 0 else self.seconds / done
        self.total = steps_in(self._limit, self.seconds, done, rate)
