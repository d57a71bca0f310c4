"""Two processes: they tell the views of all from each other, and fill the same queue."""

from pathlib import Path

import torch
from torch import nn

from fractalvid.pretrain.engine.objective import Objective
from fractalvid.pretrain.machine.collectives import mean
from fractalvid.pretrain.machine.processes import rank
from fractalvid.pretrain.objectives.config import MoCoConfig, SimCLRConfig
from fractalvid.pretrain.objectives.moco import MoCo
from fractalvid.pretrain.objectives.simclr import SimCLR
from tests.pretrain.objectives.helpers import Pairs, pairs
from tests.pretrain.ranks import on_ranks


def objectives() -> tuple[SimCLR, MoCo]:
    """Without BatchNorm, which would tell processes apart."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        networks = [nn.Sequential(nn.Flatten(), nn.Linear(96, 16), nn.Tanh()) for _ in range(2)]
        simclr = SimCLR(networks[0], 16, SimCLRConfig())
        simclr.projector = nn.Sequential(nn.Linear(16, 8))
        return simclr, MoCo(networks[1], 16, MoCoConfig(queue=50, dim=8))


def part(batch: Pairs, rows: slice) -> Pairs:
    return Pairs(batch.video[rows], batch.video2[rows], batch.target[rows], batch.clip_id[rows])


def trained(objective: Objective, rows: slice) -> dict[str, torch.Tensor]:
    """Two batches; the loss and gradients of the second, and the buffers, as means over processes where they differ."""
    objective(part(pairs(0), rows))
    loss = objective(part(pairs(1), rows)).loss
    loss.backward()
    grads = {name: mean(p.grad) for name, p in objective.named_parameters() if p.grad is not None}
    return {"loss": mean(loss), **grads, **dict(objective.named_buffers())}


def on_rank(out: Path) -> None:
    rows = slice(32 * rank(), 32 * rank() + 32)
    torch.save([trained(objective, rows) for objective in objectives()], out / f"{rank()}.pt")


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    assert on_ranks(2, on_rank, tmp_path, told=tmp_path / "told") == [0, 0]
    alone = [trained(objective, slice(None)) for objective in objectives()]
    for r in (0, 1):
        for found, expected in zip(torch.load(tmp_path / f"{r}.pt"), alone, strict=True):
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                torch.testing.assert_close(found[name], value)
    assert {"queue", "queue_id", "place"} <= alone[1].keys()
