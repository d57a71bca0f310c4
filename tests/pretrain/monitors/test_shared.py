"""Validation shared out over processes: the numbers are those of one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.engine.loop import SharedValidation
from fractalvid.pretrain.machine.collectives import in_turns, total
from fractalvid.pretrain.machine.processes import rank, world_size
from fractalvid.pretrain.models import backbone, build_model
from fractalvid.pretrain.monitors.classification import classification_metrics
from fractalvid.pretrain.monitors.config import MonitorConfig
from fractalvid.pretrain.monitors.monitors import build_monitors, together
from fractalvid.pretrain.monitors.neighbours import neighbour_metrics
from fractalvid.stream import FractalStream, StreamConfig, ValidationClips
from tests.pretrain.helpers import Shares, fit, tiny
from tests.pretrain.ranks import on_ranks

CLIPS = StreamConfig(clip_len=2, size=32, points=1000)


def held_out(count: int, batch_size: int = 4) -> ValidationClips:
    """With `batch_size` 4, a last batch that is smaller, and a rank with a batch less."""
    bank = ClassBank.sample(5, seed=0)
    config = {"config": CLIPS, "threads": 1, "rank": rank(), "world_size": world_size()}
    return FractalStream.validation(bank, num_clips=count, batch_size=batch_size, **config)  # type: ignore[arg-type]


@torch.no_grad()
def measured() -> dict[str, dict[str, float]]:
    network, features = build_model("r3d_10", 5, seed=1).eval(), backbone("r3d_10", seed=1).eval()
    monitors = MonitorConfig(("knn", "linear"), monitor_classes=3, monitor_clips=6)
    bank = sample_bank(5, seed=0)
    return {
        "classes": classification_metrics(network, held_out(18)),
        "neighbours": neighbour_metrics(features, held_out(18)),
        "few": classification_metrics(network, held_out(3)),  # nothing for the second rank
        "few neighbours": neighbour_metrics(features, held_out(6, 6)),
        "monitors": build_monitors(monitors, bank, CLIPS, head="fc", batch_size=4, threads=1)(network),
    }


def measure_on_rank(out: Path) -> None:
    shares = len(held_out(18))
    own = [(torch.tensor([10 * rank() + turn]), torch.tensor(turn)) for turn in range(2 - rank())]
    turns = [(int(one), int(other)) for one, other in in_turns(own)]
    summed = total(torch.tensor([1.0, rank()])).tolist()
    torch.save((measured(), shares, turns, summed), out / f"{rank()}.pt")


def test_two_ranks_find_what_one_does(tmp_path: Path) -> None:
    assert on_ranks(2, measure_on_rank, tmp_path, told=tmp_path / "told") == [0, 0], (
        tmp_path / "told/1.txt"
    ).read_text()
    alone = measured()
    assert 0 < alone["neighbours"]["knn_top1"] < 1
    found = [torch.load(tmp_path / f"{r}.pt") for r in (0, 1)]
    for names, _, turns, summed in found:
        for name, values in alone.items():
            assert names[name] == pytest.approx(values, rel=1e-9), name
        assert turns == [(0, 0), (10, 0), (1, 1)]
        assert summed == [2, 1]
    assert [shares for _, shares, _, _ in found] == [3, 2]
    assert len(held_out(18)) == 5


def test_shares_are_the_clips_of_all_in_turns() -> None:
    bank = ClassBank.sample(3, seed=0)

    def targets(rank: int = 0, world_size: int = 1) -> list[list[int]]:
        turn: dict[str, Any] = {"rank": rank, "world_size": world_size}
        clips = FractalStream.validation(bank, num_clips=7, batch_size=2, config=CLIPS, threads=1, **turn)
        return [batch.clip_id[:, 0].tolist() for batch in clips]

    whole = targets()
    assert whole == [[0, 1], [2, 0], [1, 2], [0]]
    assert [targets(rank=r, world_size=3) for r in range(3)] == [[whole[0], whole[3]], [whole[1]], [whole[2]]]


class Statistics:
    """What a validation sees of the network: its running means, and who has asked."""

    def __call__(self, network: nn.Module) -> dict[str, float]:
        assert not network.training
        means: Any = network.stem[1].running_mean  # type: ignore[index,union-attr]
        return {"mean": float(total(means.sum())) / world_size(), "asked": float(total(torch.tensor(1.0)))}


def train_validated(out: Path, ema: float) -> None:
    source = Shares(3, rank=rank(), world_size=world_size())
    run = out / f"{ema:g}"
    result = fit(run, tiny(), source, steps=4, ema=ema, validate=SharedValidation(together([Statistics()])))
    main = fit(
        out / f"{ema:g}-main", tiny(), source, steps=4, ema=ema, validate=lambda network: {"rank": float(rank())}
    )
    assert main.metrics == {"rank": 0.0}  # others are asked of the main process alone
    state = torch.load(run / "checkpoint.pt", weights_only=True) if rank() == 0 else None
    torch.save((result.metrics, state), out / f"{ema:g}.{rank()}.pt")


@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_all_processes_validate_the_network_of_the_main_one(ema: float, tmp_path: Path) -> None:
    codes = on_ranks(2, train_validated, tmp_path, ema, told=tmp_path / "told")
    assert codes == [0, 0], (tmp_path / "told" / "1.txt").read_text()
    (first, state), (second, _) = (torch.load(tmp_path / f"{ema:g}.{r}.pt") for r in (0, 1))
    assert first["asked"] == 2
    assert first == second
    kept = state["ema"]["module.stem.1.running_mean"] if ema else state["model"]["stem.1.running_mean"]
    assert first["mean"] == pytest.approx(float(kept.sum()), rel=1e-6)
