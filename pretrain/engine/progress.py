"""What a user sees of a run: the progress bar, and what is said of steps and validations."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fractalvid.pretrain.engine.log import MetricLog, Row
from fractalvid.pretrain.engine.state import RunState
from fractalvid.pretrain.machine import is_main
from fractalvid.utils.messages.bars import bar_options

SHARES = {"waited": "data_wait", "forward": "forward", "backward": "backward"}
"""Times that rows give as shares of a step's, and their columns there; the optimiser's time is in the last."""


class ProgressBar:
    """A bar counting clips: loss, accuracy, share of time waited for data, clips/s and time left; on rank 0 only."""

    def __init__(self, *, done: int, total: int | None, show: bool) -> None:
        """A bar of `total` clips (None: not known yet) of which `done` are done."""
        self._bar: tqdm[Any] = tqdm(
            initial=done,
            total=total,
            unit="clip",
            disable=not (show and is_main()),
            dynamic_ncols=True,
            **{"mininterval": 0.2} | bar_options(),
        )

    def update(self, clips: int, total: int | None, **values: float | str) -> None:
        """`clips` more are done of `total`; `values` stand beside the bar."""
        self._bar.total = total
        self._bar.set_postfix({k: v if isinstance(v, str) else f"{v:.3g}" for k, v in values.items()}, refresh=False)
        self._bar.update(clips)

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """The bar stands still inside, and names what is done meanwhile."""
        self._bar.set_description(what)
        try:
            yield
        finally:
            self._bar.set_description(None)

    def say(self, text: str) -> None:
        """A line above the bar, on stderr; said even where no bar is shown."""
        if is_main():
            tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


class Reporter:
    """Tells how a run goes: writes its log and moves its bar, from the state that it is in.

    Attributes:
        log: `metrics.jsonl` and TensorBoard.
        bar: counts clips.
    """

    def __init__(self, state: RunState, out: Path, *, tensorboard: bool, show: bool) -> None:
        """Open both; raises as `MetricLog` does."""
        self._state = state
        self.log = MetricLog(out, step=state.step, tensorboard=tensorboard)
        self.bar = ProgressBar(done=state.step * state.batch_size, total=self._clips(), show=show)

    def step(self, clips: int, values: dict[str, float] | None, times: dict[str, float]) -> None:
        """A step is done.

        Args:
            clips: that it has used, on all ranks.
            values: what was measured; None if it was skipped.
            times: seconds of the whole step, of waiting for data, of computing.
        """
        state = self._state
        state.meter.add(clips=clips, **times, **(values or {}))
        if values is None:
            self.bar.say(f"step {state.step} skipped: its loss or gradients were not finite ({state.skipped} so far)")
        shown: dict[str, float | str] = {k: v for k, v in (values or {}).items() if k in ("loss", "accuracy")}
        shown["wait"] = f"{state.meter.share('waited', 'seconds'):.0%}"
        if state.skipped:
            shown["skipped"] = state.skipped
        self.bar.update(clips, self._clips(), **shown)

    def row(self) -> None:
        """Write what was measured since the last row."""
        state = self._state
        shares = {column: state.meter.share(name, "seconds") for name, column in SHARES.items()}
        means = state.meter.take()
        clips, seconds = means.pop("clips"), means.pop("seconds")
        measured = {name: value for name, value in means.items() if name not in SHARES}
        rates = {"lr": state.update.optimizer.param_groups[0]["lr"], "clips_per_s": clips / seconds}
        so_far = {"skipped": state.skipped, "seconds": state.budget.seconds}
        self.log.write("train", state.step, {**measured, **rates, **shares, **so_far})

    def validation(self, metrics: dict[str, float], of: str) -> None:
        """Write what a validation has found; `of` says by what videos."""
        self.log.write("val", self._state.step, metrics)
        told = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        if told:
            self.bar.say(f"step {self._state.step}: {of} {told}")

    def last_validation(self) -> dict[str, float]:
        """What the last one has found, also before a resume; empty without one."""
        rows: list[Row] = [row for row in self.log.rows if row["kind"] == "val"]
        return {k: v for k, v in rows[-1].items() if k not in ("kind", "step")} if rows else {}

    def close(self) -> None:
        """Write out what is left."""
        self.bar.close()
        self.log.close()

    def _clips(self) -> int | None:
        total = self._state.budget.total
        return None if total is None else total * self._state.batch_size
