"""How long the demo's trainings are, so that it takes about the time it promises on the machine that it runs on."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fractalvid.utils.messages.phrases import counted

BATCH = 16
"""Clips a step, in pre-training as in fine-tuning."""
PROBE_STEPS, PROBE_SETTLING = 16, 6
"""Steps of the pre-training that are timed first, and how many of them do not count: they compile and fill caches."""
VALIDATIONS = 8
"""Tests on new clips during pre-training, at most; fine-tunings have at most `TESTS` on test clips."""
VALIDATION_CLIPS = 200
TESTS = 5

_GRADE = 2**0.25
"""Speeds are rounded to powers of it: one machine, timed twice, gets the same sizes but for rare ones on the edge."""
_EPOCH_STEPS = 240 / BATCH
"""Of the training videos of the demo's target; it has as many test videos."""
_FORWARD = 1 / 3
"""What a clip costs that is only looked at, relative to one that is learned from."""
_FINE_TUNING_STEP = 1.15
"""What a step of fine-tuning costs, with reading and augmenting videos, relative to one of pre-training."""
_FIXED_STEPS, _FIXED_SECONDS = 500, (30.0, 180.0)
"""Starting programs, compiling kernels, rendering, drawing: as long as so many steps, within so many seconds."""
_ENDING_SECONDS = 15.0
"""Of these what comes with and after the fine-tunings."""
_SLACK = 1.2
_EPOCHS_A_MINUTE, _MOST_EPOCHS, _FEWEST_EPOCHS = 3, 40, 4
"""Longer fine-tunings come to know the target from either start: a fast machine ends sooner instead."""
_STEPS_A_MINUTE, _FEWEST_STEPS = 500, 200


@dataclass(frozen=True)
class DemoSizes:
    """How long the trainings are, and by which estimate.

    Attributes:
        steps: of the pre-training.
        epochs: of each fine-tuning.
        seconds: that all is estimated to take.
        step: seconds a step of pre-training, by which it was estimated.
    """

    steps: int
    epochs: int
    seconds: float
    step: float


def timed_step(rows: Sequence[Mapping[str, Any]]) -> float:
    """Seconds a step, rendering included: the median of `metrics.jsonl` with a row a step, after the settling."""
    rates = [row["clips_per_s"] for row in rows if row["kind"] == "train" and row["step"] > PROBE_SETTLING]
    return float(BATCH / max(statistics.median(rates), 1e-3))


def sizes_for(seconds_a_step: float, *, minutes: float, seeds: int) -> DemoSizes:
    """What fits into some minutes: fine-tuning from both starts may take half of the free time, pre-training the rest.

    A slow machine is given no less than a run that shows something and takes longer; a fast one ends sooner.

    Args:
        seconds_a_step: of pre-training, measured.
        minutes: to be spent in all.
        seeds: fine-tunings from each of the two starts.
    """
    step, runs = _graded(seconds_a_step), 2 * seeds
    free = max(0.0, 60 * minutes - _fixed(step))
    most_epochs = max(1, min(_MOST_EPOCHS, round(_EPOCHS_A_MINUTE * minutes)))
    an_epoch = _fine_tuning_seconds(1, step) - _fine_tuning_seconds(0, step)
    fitting = (0.5 * free / runs - _fine_tuning_seconds(0, step)) / an_epoch
    epochs = _within(math.floor(fitting), min(_FEWEST_EPOCHS, most_epochs), most_epochs)
    tuning = runs * _fine_tuning_seconds(epochs, step)
    most_steps = max(20, round(_STEPS_A_MINUTE * minutes))
    fitting = (free - tuning - _validation_seconds(step)) / step
    steps = _two_digits(_within(math.floor(fitting), min(_FEWEST_STEPS, most_steps), most_steps))
    return DemoSizes(steps, epochs, _fixed(step) + steps * step + _validation_seconds(step) + tuning, step)


def shortened(sizes: DemoSizes, *, pre_training: float, left: float, seeds: int) -> DemoSizes:
    """Fewer epochs where the machine has turned out slower than its first seconds said, by more than `_SLACK`.

    Args:
        sizes: by the first estimate.
        pre_training: seconds that it took.
        left: seconds of the demo's minutes that are left after it.
        seeds: fine-tunings from each of the two starts.
    """
    pace = pre_training / (sizes.steps * sizes.step + _validation_seconds(sizes.step))
    needed = 2 * seeds * _fine_tuning_seconds(sizes.epochs, sizes.step) * max(pace, 1.0) + _ENDING_SECONDS
    if needed <= _SLACK * left:
        return sizes
    fewest = min(_FEWEST_EPOCHS, sizes.epochs)
    epochs = _within(math.floor(sizes.epochs * left / needed), fewest, sizes.epochs)
    return dataclasses.replace(sizes, epochs=epochs)


def announcement(sizes: DemoSizes, *, seeds: int) -> str:
    """What is to come, and how long it takes here."""
    minutes = max(1, round(sizes.seconds / 60))
    return (
        f"this demo takes about {counted(minutes, 'minute')} on this machine: {sizes.steps:,} steps of "
        f"pre-training, then {counted(sizes.epochs, 'epoch')} of each of {2 * seeds} fine-tunings"
    )


def _graded(seconds_a_step: float) -> float:
    return float(_GRADE ** round(math.log(max(seconds_a_step, 1e-4), _GRADE)))


def _fixed(step: float) -> float:
    least, most = _FIXED_SECONDS
    return max(least, min(most, _FIXED_STEPS * step))


def _validation_seconds(step: float) -> float:
    return VALIDATIONS * VALIDATION_CLIPS / BATCH * _FORWARD * step


def _fine_tuning_seconds(epochs: int, step: float) -> float:
    """Of one run with its tests."""
    return (epochs * _FINE_TUNING_STEP + TESTS * _FORWARD) * _EPOCH_STEPS * step


def _within(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def _two_digits(number: int) -> int:
    """The number, rounded down to its first two digits."""
    unit = int(10 ** max(0, len(str(number)) - 2))
    return number // unit * unit
