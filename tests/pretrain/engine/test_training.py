import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fractalvid.pretrain.engine.checkpoint import CHECKPOINT
from fractalvid.pretrain.engine.config import LoopConfig
from fractalvid.pretrain.engine.freezing import set_train_mode
from fractalvid.pretrain.engine.log import MetricLog
from fractalvid.pretrain.engine.objective import Outcome
from fractalvid.pretrain.engine.progress import ProgressBar
from fractalvid.pretrain.objectives.supervised import Supervised
from fractalvid.pretrain.optim.config import OptimConfig
from fractalvid.utils.errors import UserError
from tests.pretrain.helpers import Coloured, Tiny, equal_state, fit, tiny

TIMES = ("clips_per_s", "data_wait", "forward", "backward", "seconds")


def untimed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]


def test_overfits_one_batch(tmp_path: Path) -> None:
    model = tiny()
    model.dropout.p = 0.0
    result = fit(tmp_path, model, Coloured(fixed=True), steps=80, optim=OptimConfig(lr=0.3), label_smoothing=0.0)
    last = [row for row in result.history if row["kind"] == "train"][-1]
    assert last["accuracy"] == 1.0
    assert last["loss"] < 0.1


def test_validates_in_evaluation_mode_without_gradients(tmp_path: Path) -> None:
    seen: list[int] = []

    def validate(model: nn.Module) -> dict[str, float]:
        assert not model.training
        assert not torch.is_grad_enabled()
        seen.append(len(seen))
        return {"top1": len(seen) / 10}

    model = tiny()
    result = fit(tmp_path, model, validate=validate)
    assert [row["step"] for row in result.history if row["kind"] == "val"] == [5, 10, 12]
    assert result.metrics == {"top1": 0.3}
    assert result.steps == 12
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows == result.history


def test_training_is_the_same_with_and_without_validation(tmp_path: Path) -> None:
    models = tiny(), tiny()
    fit(tmp_path / "without", models[0])
    fit(tmp_path / "with", models[1], val_every=2, validate=lambda model: {"x": 1.0})
    assert equal_state(*models)


def test_the_same_seed_gives_the_same_network(tmp_path: Path) -> None:
    models = [tiny() for _ in range(3)]
    for number, (model, seed) in enumerate(zip(models, (0, 0, 1), strict=True)):
        fit(tmp_path / str(number), model, seed=seed)
    assert equal_state(models[0], models[1])
    assert not equal_state(models[0], models[2])  # other dropout


def test_torchs_own_generator_never_notices(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    fit(tmp_path, steps=3)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_disk_that_fills_up_ends_the_run_with_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = MetricLog.write

    def fills_up(self: MetricLog, kind: str, step: int, values: Any) -> None:
        if step == 8:
            self._file.close()
            self._file = Path("/dev/full").open("a", encoding="utf-8")  # noqa: SIM115  # the log closes it
        write(self, kind, step, values)

    whole, resumed = tiny(), tiny(seed=9)
    expected = fit(tmp_path / "whole", whole)
    with monkeypatch.context() as patch:
        patch.setattr(MetricLog, "write", fills_up)
        with pytest.raises(UserError, match=r"can't write .*metrics\.jsonl: No space left.* --resume"):
            fit(tmp_path / "parts", checkpoint_every=4)
    assert torch.load(tmp_path / "parts" / CHECKPOINT, weights_only=True)["step"] == 4
    result = fit(tmp_path / "parts", resumed, resume=True)
    assert equal_state(whole, resumed)
    assert untimed(result.history) == untimed(expected.history)


def test_the_bar_tells_the_share_of_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, float | str]] = []
    monkeypatch.setattr(ProgressBar, "update", lambda self, clips, total, **values: shown.append(values))
    fit(tmp_path, steps=3)
    shares = [str(values["wait"]) for values in shown]
    assert len(shares) == 3
    assert all(share.endswith("%") and 0 <= int(share[:-1]) <= 100 for share in shares)


class StopsAfter(Coloured):
    """Raises Ctrl-C in the process that trains, when the batch after `index` is asked for."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def batch(self, index: int, next_index: int) -> Any:
        if index == self.index:
            os.kill(os.getpid(), signal.SIGINT)
        return super().batch(index, next_index)


def test_ctrl_c_saves_and_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole, first, second = tiny(), tiny(), tiny(seed=9)
    expected = fit(tmp_path / "whole", whole, steps=17)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "parts", first, StopsAfter(8), steps=17)
    told = capfd.readouterr().err
    assert "stopping after this step; once more stops at once" in told
    assert "--resume" in told
    stopped = torch.load(tmp_path / "parts" / CHECKPOINT, weights_only=True)["step"]
    assert 0 < stopped < 17
    result = fit(tmp_path / "parts", second, steps=17, resume=True)
    assert equal_state(whole, second)
    assert untimed(result.history) == untimed(expected.history)
    ours = torch.load(tmp_path / "parts" / CHECKPOINT, weights_only=True)
    theirs = torch.load(tmp_path / "whole" / CHECKPOINT, weights_only=True)
    for name in ("step", "next_index", "skipped", "meter"):
        assert ours[name] == theirs[name], name
    for mine, other in zip(ours["optimizer"]["state"].values(), theirs["optimizer"]["state"].values(), strict=True):
        assert all(torch.equal(mine[k], other[k]) for k in mine)
    assert torch.equal(ours["rng"], theirs["rng"])


KILLED = """
import sys, time, torch
from pathlib import Path
torch.set_num_threads(1)
from tests.pretrain.helpers import Coloured, fit
class Slow(Coloured):
    def batch(self, index, next_index):
        if index >= 25:
            time.sleep(60)
        return super().batch(index, next_index)
fit(Path(sys.argv[1]), source=Slow(), steps=40, checkpoint_every=10)
"""


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    out = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(out)], cwd=root)
    try:
        deadline = time.monotonic() + 100
        # Killed with rows in the log that are newer than the checkpoint of step 20: none may appear twice.
        log = out / "metrics.jsonl"
        while not (log.exists() and '"step": 24' in log.read_text()):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert torch.load(out / CHECKPOINT, weights_only=True)["step"] == 20
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "st')  # cut off in the middle of a row
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        resumed, whole = tiny(seed=4), tiny()
        result = fit(out, resumed, steps=40, checkpoint_every=10, resume=True)
        expected = fit(tmp_path / "whole", whole, steps=40, checkpoint_every=10)
    finally:
        torch.set_num_threads(threads)
    assert equal_state(resumed, whole)
    assert untimed(result.history) == untimed(expected.history)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    calls: list[int] = []

    def validate(model: nn.Module) -> dict[str, float]:
        calls.append(1)
        return {"top1": 0.5}

    first, again = tiny(), tiny(seed=2)
    before = fit(tmp_path, first, validate=validate)
    done = len(calls)
    after = fit(tmp_path, again, validate=validate, resume=True)
    assert equal_state(first, again)
    assert (after.metrics, after.steps, after.history) == (before.metrics, before.steps, before.history)
    assert len(calls) == done


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    fit(tmp_path, steps=2)
    with pytest.raises(UserError, match="--resume"):
        fit(tmp_path, steps=2)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    fit(tmp_path, steps=2)
    with pytest.raises(UserError, match="another network"):
        fit(tmp_path, Tiny(classes=4), steps=4, resume=True)


def test_skipped_steps_leave_no_trace(tmp_path: Path) -> None:
    model, reference = tiny(), tiny()
    model.dropout.p = reference.dropout.p = 0.0
    # Without momentum's memory a skipped step and no step at all are the same, at the same learning rate.
    optim = OptimConfig(optimizer="sgd", lr=0.1, final_lr=0.1, warmup=0.0, momentum=0.0)
    result = fit(tmp_path / "a", model, Coloured(broken=frozenset({4})), steps=6, optim=optim, max_bad_share=0.5)
    assert result.skipped == 1
    assert result.steps == 6
    assert all(torch.isfinite(v).all() for v in model.state_dict().values())

    class Without(Coloured):
        def batch(self, index: int, next_index: int) -> Any:
            return super().batch(index if index < 4 else index + 1, next_index)

    fit(tmp_path / "b", reference, Without(), steps=5, optim=optim)
    assert equal_state(model, reference)
    rows = [row for row in result.history if row["kind"] == "train"]
    assert rows[-1]["skipped"] == 1
    assert all(row["loss"] == row["loss"] for row in rows)


def test_non_finite_gradients_of_a_finite_loss_are_skipped(tmp_path: Path) -> None:
    class Steep(Supervised):
        def forward(self, batch: Any) -> Outcome:
            return Outcome(torch.sqrt((self.backbone(batch.video) * 0).sum()) + 1)  # whose slope at 0 is infinite

    model = tiny()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    result = fit(tmp_path, Steep(model), steps=3, max_bad_share=1.0)
    assert result.skipped == 3
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_too_many_skipped_steps_stop_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = Coloured(broken=frozenset(range(3, 400)))
    with pytest.raises(UserError, match=r"6 of 9 steps .*limit of 5\.0%"):
        fit(tmp_path, source=source, steps=400)
    assert "step 4 skipped" in capsys.readouterr().err


def test_a_frozen_backbone_stays_bit_equal(tmp_path: Path) -> None:
    model = tiny()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    fit(tmp_path, model, trainable=model.fc.parameters(), val_every=2, validate=lambda m: {"x": 1.0})
    for name, value in model.state_dict().items():
        assert torch.equal(before[name], value) != name.startswith("fc."), name
    assert all(p.requires_grad for p in model.parameters())


def test_only_wholly_frozen_parts_go_to_evaluation_mode() -> None:
    model = tiny()
    model.stem.requires_grad_(False)
    set_train_mode(model)
    assert not model.stem[1].training
    assert model.dropout.training
    assert model.fc.training


def test_a_linear_probe_resumes(tmp_path: Path) -> None:
    whole, first, second = tiny(), tiny(), tiny(seed=9)
    fit(tmp_path / "whole", whole, trainable=whole.fc.parameters())
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "parts", first, StopsAfter(5), trainable=first.fc.parameters())
    fit(tmp_path / "parts", second, trainable=second.fc.parameters(), resume=True)
    assert equal_state(whole, second)


def test_a_source_that_ends_early_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ended after 5 of 12"):
        fit(tmp_path, source=Coloured(length=5))


def test_an_error_of_the_source_arrives(tmp_path: Path) -> None:
    class Fails(Coloured):
        def batch(self, index: int, next_index: int) -> Any:
            if index == 3:
                raise UserError("a clip is broken")
            return super().batch(index, next_index)

    with pytest.raises(UserError, match="a clip is broken"):
        fit(tmp_path, source=Fails())


def test_hours_become_steps_that_a_resume_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fractalvid.pretrain.optim.budget.TIMED_STEPS", 12)
    # The budget is so generous that the run would never end: it is stopped by hand.
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, source=StopsAfter(20), hours=1.0)
    total = torch.load(tmp_path / CHECKPOINT, weights_only=True)["budget"]["total"]
    assert total > 1000
    assert f"step 12: from the time so far, the budget is {total} steps" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, source=StopsAfter(40), hours=1.0, resume=True)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert state["budget"]["total"] == total
    assert state["step"] > 30


def test_a_short_time_budget_ends_by_itself(tmp_path: Path) -> None:
    result = fit(tmp_path, hours=0.3 / 3600, log_every=1)
    assert 1 <= result.steps < 100_000
    assert result.history[-1]["step"] == result.steps


def test_gradients_are_clipped(tmp_path: Path) -> None:
    optim = OptimConfig(optimizer="sgd", lr=32 / 6, final_lr=0.0, warmup=0.0, momentum=0.0, weight_decay=0.0)
    models = tiny(), tiny()
    start = tiny()
    for model, clip in zip(models, (1e-3, 0.0), strict=True):
        fit(tmp_path / str(clip), model, steps=2, optim=optim, grad_clip=clip)
    moved = [
        sum(float((a - b).detach().square().sum()) for a, b in zip(m.parameters(), start.parameters(), strict=True))
        ** 0.5
        for m in models
    ]
    assert moved[0] <= 1.001e-3  # 2 steps of rates 0.5 and 0 and norm 1e-3
    assert moved[1] > 10 * moved[0]


def test_bfloat16_on_a_cpu_trains_when_asked_for(tmp_path: Path) -> None:
    model = tiny()
    result = fit(tmp_path, model, precision="bf16", channels_last=True, max_bad_share=1.0)
    assert result.steps == 12
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in model.parameters())


def test_tensorboard_files_are_written(tmp_path: Path) -> None:
    fit(tmp_path, steps=4, tensorboard=True)
    assert list((tmp_path / "tensorboard").glob("events.*"))


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"steps": None},
        {"log_every": 0},
        {"val_every": -1},
        {"grad_clip": -1.0},
        {"label_smoothing": 1.0},
        {"mixup": -0.1},
        {"mixup": float("nan")},
        {"cutmix": float("inf")},
        {"max_bad_share": 2.0},
        {"device": "tpu"},
        {"device": "cuda:99"},
        {"device": "nonsense"},
        {"device": "cpu", "precision": "fp16"},
        {"precision": "fp8"},
        {"torch_threads": 0},
    ],
)
def test_impossible_settings_are_refused_before_anything_is_written(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        fit(tmp_path / "run", **bad)
    assert not (tmp_path / "run").exists()


def test_out_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="can't make the folder"):
        fit(tmp_path / "file" / "run")


def test_the_default_configuration_only_lacks_a_budget() -> None:
    with pytest.raises(UserError, match="budget"):
        LoopConfig().check()
    LoopConfig(hours=0.1).check()
