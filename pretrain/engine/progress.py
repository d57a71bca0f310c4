"""What a run tells of its steps: gathered from the state it is in, told to the log and the progress bar."""

from pathlib import Path

from fractalvid.pretrain.engine.runlog import MetricLog, Progress, Row
from fractalvid.pretrain.engine.state import RunState

SHARES = {"waited": "data_wait", "forward": "forward", "backward": "backward"}
"""Times that rows tell as shares of a step's, and their names there; the optimiser's is in the last."""


class Report:
    """The log and the bar of a run.

    Attributes:
        log: `metrics.jsonl` and TensorBoard.
        bar: counts clips.
    """

    def __init__(self, state: RunState, out: Path, *, tensorboard: bool, show: bool) -> None:
        """Open both; raises as `MetricLog` does."""
        self._state = state
        self.log = MetricLog(out, step=state.step, tensorboard=tensorboard)
        self.bar = Progress(done=state.step * state.batch_size, total=self._clips(), show=show)

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
        shares = {told: state.meter.share(name, "seconds") for name, told in SHARES.items()}
        means = state.meter.take()
        clips, seconds = means.pop("clips"), means.pop("seconds")
        measured = {name: value for name, value in means.items() if name not in SHARES}
        rates = {"lr": state.update.optimizer.param_groups[0]["lr"], "clips_per_s": clips / seconds}
        told = {"skipped": state.skipped, "seconds": state.budget.seconds}
        self.log.write("train", state.step, {**measured, **rates, **shares, **told})

    def validation(self, metrics: dict[str, float]) -> None:
        """Write what a validation has found."""
        self.log.write("val", self._state.step, metrics)
        told = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        self.bar.say(f"step {self._state.step}: validation {told}")

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
