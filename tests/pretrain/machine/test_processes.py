"""Several processes, on CPUs: what they tell each other, and that they train as one would."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from fractalvid.pretrain.engine.checkpoint import CHECKPOINT, load_checkpoint
from fractalvid.pretrain.engine.config import LoopConfig
from fractalvid.pretrain.machine.collectives import all_of, any_of, gather, mean
from fractalvid.pretrain.machine.processes import connected, from_main, is_main, rank, world_size
from fractalvid.pretrain.optim.config import OptimConfig
from fractalvid.utils.errors import UserError
from tests.pretrain.helpers import Shares, fit, plain, tiny
from tests.pretrain.ranks import end_self, on_ranks

PLAIN: dict[str, Any] = {"optim": OptimConfig(lr=0.05), "steps": 12, "batch_size": 12, "log_every": 1}


def test_one_process_is_alone() -> None:
    x = torch.arange(3.0, requires_grad=True)
    assert (rank(), world_size(), is_main()) == (0, 1, True)
    assert gather(x) is x
    assert mean(x) is x
    assert any_of(True) and not any_of(False)
    assert all_of("a") == ["a"]
    assert from_main(lambda: 3) == 3
    with connected():
        assert world_size() == 1


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with (
        pytest.raises(UserError, match=r"WORLD_SIZE is 2, but RANK is not set: start .* torchrun"),
        connected(),
    ):
        pass


def talk(out: Path) -> None:
    r = rank()
    own = torch.full((2, 3), r + 1.0, requires_grad=True)
    everyone = gather(own)
    weights = torch.arange(12.0).reshape(4, 3) * (r + 1)
    torch.autograd.backward((everyone * weights).sum())
    assert own.grad is not None
    found = {
        "who": (r, world_size(), is_main()),
        "everyone": everyone.detach(),
        "grad": own.grad,
        "numbers": gather(torch.tensor([[r, 7]])),
        "mean": mean(torch.tensor([float(r), 2.0])),
        "any": (any_of(r == 1), any_of(False)),
        "all": all_of({"rank": r}),
        "main": from_main(lambda: f"from {rank()}"),
    }
    torch.save(found, out / f"{r}.pt")
    from_main(refuse)


def refuse() -> None:
    raise UserError("no such thing")


def test_what_processes_tell_each_other(tmp_path: Path) -> None:
    assert on_ranks(2, talk, tmp_path, told=tmp_path / "told") == [2, 2]
    first, second = (torch.load(tmp_path / f"{r}.pt", weights_only=False) for r in (0, 1))
    assert (first["who"], second["who"]) == ((0, 2, True), (1, 2, False))
    asked = 3 * torch.arange(12.0).reshape(4, 3)  # once by the loss of rank 0, twice by that of rank 1
    for r, found in enumerate((first, second)):
        assert torch.equal(found["everyone"], torch.tensor([1.0, 1, 2, 2])[:, None].expand(4, 3))
        assert torch.equal(found["grad"], asked[2 * r : 2 * r + 2])
        assert found["numbers"].tolist() == [[0, 7], [1, 7]]
        assert found["mean"].tolist() == [0.5, 2.0]
        assert found["any"] == (True, False)
        assert found["all"] == [{"rank": 0}, {"rank": 1}]
        assert found["main"] == "from 0"
    assert (tmp_path / "told" / "0.txt").read_text() == "test (rank 0 of 2): error: no such thing\n"
    assert (tmp_path / "told" / "1.txt").read_text() == ""  # once is enough


def share(part: int, **options: Any) -> Shares:
    return Shares(part, rank=rank(), world_size=world_size(), **options)


def train_plain(out: Path, part: int, options: dict[str, Any]) -> None:
    model = plain()
    fit(out, model, share(part), **options)
    torch.save(model.state_dict(), out.with_name(f"{out.name}.{rank()}.pt"))


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def close(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two states are equal but for rounding, which Adam's first steps magnify."""
    return all(torch.allclose(a[k], b[k], rtol=1e-3, atol=1e-4) for k in a)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_ranks_train_as_one_with_the_doubled_batch(tmp_path: Path, accumulate: int) -> None:
    options = {**PLAIN, "ema": 0.9}
    whole = plain()
    fit(tmp_path / "whole", whole, Shares(12), **options)
    on = {**options, "accumulate": accumulate}
    codes = on_ranks(2, train_plain, tmp_path / "two", 6 // accumulate, on, told=tmp_path / "told")
    assert codes == [0, 0], (tmp_path / "told" / "1.txt").read_text()
    one, other = rows(tmp_path / "whole"), rows(tmp_path / "two")
    for name in ("loss", "accuracy", "grad_norm", "lr"):
        expected = [row[name] for row in one]
        assert [row[name] for row in other] == pytest.approx(expected, rel=1e-4), name
    states = [torch.load(tmp_path / f"two.{r}.pt") for r in (0, 1)]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    assert close(states[0], whole.state_dict())


def train_broken(out: Path) -> None:
    model = tiny()
    # Clip 16 is in the third step, in the share of rank 1 alone.
    result = fit(out, model, share(3, broken=frozenset({16})), steps=5, max_bad_share=0.5)
    assert result.skipped == 1
    torch.save(model.state_dict(), out.with_name(f"{rank()}.pt"))


def test_a_step_is_skipped_by_all_or_none(tmp_path: Path) -> None:
    codes = on_ranks(2, train_broken, tmp_path / "run", told=tmp_path / "told")
    assert codes == [0, 0], (tmp_path / "told" / "0.txt").read_text()
    first, second = (torch.load(tmp_path / f"{r}.pt") for r in (0, 1))
    assert all(torch.equal(first[k], second[k]) for k in first if "running" not in k)
    assert all(torch.isfinite(v).all() for v in (*first.values(), *second.values()))
    assert "step 3 skipped" in (tmp_path / "told" / "0.txt").read_text()
    assert "skipped" not in (tmp_path / "told" / "1.txt").read_text()


def train_for_a_moment(out: Path) -> None:
    result = fit(out, plain(), share(6), hours=0.2 / 3600, batch_size=12, validate=lambda network: {"rank": rank()})
    torch.save((result.steps, result.metrics), out.with_name(f"{rank()}.pt"))


def test_all_agree_on_what_a_budget_in_time_is_and_the_main_one_validates(tmp_path: Path) -> None:
    codes = on_ranks(2, train_for_a_moment, tmp_path / "run", told=tmp_path / "told")
    assert codes == [0, 0], (tmp_path / "told" / "1.txt").read_text()
    first, second = (torch.load(tmp_path / f"{r}.pt") for r in (0, 1))
    assert first == second
    assert first[0] >= 1
    assert first[1] == {"rank": 0}
    assert (tmp_path / "told" / "1.txt").read_text() == ""


class Interrupted(Shares):
    """Asks one process to stop, in the midst of a run."""

    def batch(self, numbers: range, next_index: int) -> Any:
        if self.rank == 1 and next_index == 72:
            os.kill(os.getpid(), signal.SIGINT)
        return super().batch(numbers, next_index)


def train_interrupted(out: Path) -> None:
    fit(out, plain(), Interrupted(6, rank=rank(), world_size=world_size()), **PLAIN)


def test_all_stop_at_once_and_another_number_of_processes_goes_on(tmp_path: Path) -> None:
    assert on_ranks(2, train_interrupted, tmp_path / "run", told=tmp_path / "told") == [130, 130]
    assert "--resume goes on" in (tmp_path / "told" / "0.txt").read_text()
    state = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    assert 0 < state["step"] < 12
    assert state["next_index"] == state["step"] * 12
    whole, resumed = plain(), plain(seed=9)
    fit(tmp_path / "whole", whole, Shares(12), **PLAIN)
    fit(tmp_path / "run", resumed, Shares(12), **PLAIN, resume=True)
    assert close(resumed.state_dict(), whole.state_dict())
    assert [row["loss"] for row in rows(tmp_path / "run")] == pytest.approx(
        [row["loss"] for row in rows(tmp_path / "whole")], rel=1e-4
    )
    with pytest.raises(UserError, match="12 clips a step, not 6"):
        fit(tmp_path / "run", plain(), Shares(6), **{**PLAIN, "batch_size": 6}, resume=True)


def resume_tiny(out: Path, steps: int) -> None:
    model = tiny(seed=rank())
    fit(out, model, share(3), steps=steps, checkpoint_every=5, resume=True)
    torch.save(model.state_dict(), out.with_name(f"{out.name}.{rank()}.pt"))


class Fails(Shares):
    def batch(self, numbers: range, next_index: int) -> Any:
        if self.rank == 1 and next_index > 7 * 6:
            end_self()
        return super().batch(numbers, next_index)


def train_failing(out: Path) -> None:
    fit(out, tiny(), Fails(3, rank=rank(), world_size=world_size()), steps=12, checkpoint_every=5, prefetch=1)


def test_a_killed_rank_ends_the_run_and_all_go_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    codes = on_ranks(2, train_failing, tmp_path / "run", told=tmp_path / "told")
    assert codes == [2, -signal.SIGKILL]
    told = (tmp_path / "told" / "0.txt").read_text()
    assert told.startswith("test (rank 0 of 2): error: another process of this run has ended")
    assert "--resume" in told
    assert told.count("\n") == 1
    assert load_checkpoint(tmp_path / "run" / CHECKPOINT)["step"] == 5
    for out in ("run", "whole"):
        assert on_ranks(2, resume_tiny, tmp_path / out, 12, told=tmp_path / "told") == [0, 0]
    # Dropout included: each rank goes on with its own random numbers, and with the statistics of rank 0.
    states = [torch.load(tmp_path / f"{out}.0.pt") for out in ("run", "whole")]
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_a_batch_that_cannot_be_shared_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"batch-size is 6; it must be a multiple of 4, for 4 parts \(--acc"):
        fit(tmp_path / "run", accumulate=4)
    assert not (tmp_path / "run").exists()


def test_batchnorm_over_processes_needs_gpus() -> None:
    with pytest.raises(UserError, match="sync-bn needs CUDA"):
        LoopConfig(steps=1, device="cpu", sync_bn=True).check_machine()
