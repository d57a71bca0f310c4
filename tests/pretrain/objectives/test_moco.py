"""Momentum contrast: the queue, who is a negative of whom, and the key network."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fractalvid.pretrain.objectives.config import MoCoConfig, Related
from fractalvid.pretrain.objectives.moco import EMPTY, MoCo, enqueue, usable
from fractalvid.pretrain.objectives.momentum import momentum_at
from fractalvid.utils.errors import UserError
from tests.pretrain.helpers import fit
from tests.pretrain.objectives.helpers import FEATURES, Endless, pairs, toy


def moco(queue: int = 16, mask: Related = "instance", **settings: float) -> MoCo:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        return MoCo(toy(), FEATURES, MoCoConfig(queue=queue, dim=8, mask=mask, **settings))  # type: ignore[arg-type]


def empty(length: int) -> tuple[Tensor, Tensor, Tensor]:
    return torch.zeros(length, 2), torch.full((length, 2), EMPTY), torch.tensor(0)


def numbered(first: int, count: int) -> tuple[Tensor, Tensor]:
    """Keys that hold their own number, of instances of that number."""
    number = torch.arange(first, first + count)
    return number[:, None].float().expand(-1, 2), torch.stack([number // 3, number], dim=1)


def test_the_queue_forgets_the_oldest_first() -> None:
    queue, ids, place = empty(5)
    held: list[int] = []
    for first, count in ((0, 2), (2, 2), (4, 3), (7, 1), (8, 5), (13, 7)):
        enqueue(queue, ids, place, *numbered(first, count))
        held = [*held, *range(first, first + count)][-5:]
        assert sorted(ids[ids[:, 0] != EMPTY][:, 1].tolist()) == held
        assert torch.equal(queue[ids[:, 0] != EMPTY][:, 0], ids[ids[:, 0] != EMPTY][:, 1].float())
    # The next one replaces the oldest.
    enqueue(queue, ids, place, *numbered(20, 1))
    assert sorted(ids[:, 1].tolist()) == [*held[1:], 20]


def test_who_is_a_negative_of_whom() -> None:
    queue_id = torch.tensor([[0, 5], [0, 6], [1, 5], [EMPTY, EMPTY]])
    clip_id = torch.tensor([[0, 5], [1, 7]])
    expected: dict[Related, list[list[bool]]] = {
        "none": [[True, True, True, False], [True, True, True, False]],
        "instance": [[False, True, True, False], [True, True, True, False]],
        "class": [[False, False, True, False], [True, True, False, False]],
    }
    for mask, rows in expected.items():
        assert usable(queue_id, clip_id, mask).tolist() == rows


@pytest.mark.parametrize(("mask", "same"), [("none", 0), ("instance", 8), ("class", 12)])
def test_masked_keys_change_nothing(mask: Related, same: int) -> None:
    batch = replace(pairs(0), clip_id=torch.tensor([2, 7]).expand(64, -1))
    objective = moco(queue=128, mask=mask)
    objective.queue_id[:12] = torch.tensor([2, 7])
    objective.queue_id[8:12, 1] = 8
    objective.queue_id[12:16] = torch.tensor([3, 7])
    objective.queue.normal_(generator=torch.Generator().manual_seed(0))

    def loss(changed: slice) -> float:
        other = copy.deepcopy(objective)
        other.queue[changed] *= -1
        return float(other(batch).loss.detach())

    assert loss(slice(same)) == loss(slice(0))
    assert loss(slice(16, None)) == loss(slice(0))
    assert loss(slice(same, 16)) != loss(slice(0))


def test_the_first_batch_has_no_negatives_and_fills_the_queue() -> None:
    objective = moco(queue=100)
    first, second = objective(pairs(0)), objective(pairs(1))
    assert first.loss.item() == 0
    assert second.loss.item() > 0
    assert (objective.queue_id[:, 0] == EMPTY).sum() == 0
    torch.testing.assert_close(objective.queue.norm(dim=1), torch.ones(100))
    assert objective.place.item() == 28
    newest = objective.queue_id[:28], objective.queue_id[64:]
    assert torch.equal(torch.cat([newest[1], newest[0]]), pairs(1).clip_id)


def test_only_queries_have_a_gradient_and_keys_follow() -> None:
    objective = moco(momentum=0.9)
    before = copy.deepcopy(objective)
    leaders = [*objective.backbone.parameters(), *objective.projector.parameters()]
    followers = list(objective.follower.parameters())
    for one, other in zip(leaders, followers, strict=True):
        assert torch.equal(one, other)
        assert one.requires_grad
        assert not other.requires_grad
    objective(pairs(0))
    objective(pairs(1)).loss.backward()
    assert all(p.grad is not None for p in leaders)
    assert all(p.grad is None for p in followers)
    with torch.no_grad():
        for parameter in leaders:
            parameter.add_(1.0)
    objective.after_step(1, 10)
    for old, now, leader in zip(before.follower.parameters(), followers, leaders, strict=True):
        torch.testing.assert_close(now, 0.9 * old + 0.1 * leader)


def test_the_key_network_normalises_by_its_batch_as_the_loop_trains_it(tmp_path: Path) -> None:
    objective, started = moco(), moco()
    fit(tmp_path, objective, Endless(), steps=3)
    assert objective.follower.training
    own, before, theirs = (
        dict(m.named_buffers()) for m in (objective.follower.network[0], started.backbone, objective.backbone)
    )
    name = "layers.2.running_mean"
    assert not torch.equal(own[name], before[name])
    assert not torch.equal(own[name], theirs[name])  # of second views, by parameters of its own


def test_the_momentum_rises_to_one() -> None:
    constant = [momentum_at(step, 100, 0.99, cosine=False) for step in (0, 50, 100)]
    assert constant == [0.99, 0.99, 0.99]
    rising = [momentum_at(step, 100, 0.99, cosine=True) for step in (0, 50, 100)]
    assert rising == pytest.approx([0.99, 0.995, 1.0])
    assert momentum_at(5, None, 0.99, cosine=True) == 0.99


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"queue": 0}, "queue is 0"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"momentum": 1.5}, "momentum is 1.5"),
        ({"dim": -1}, "dim is -1"),
        ({"hidden": 0}, "hidden is 0"),
        ({"mask": "all"}, "moco.mask must be instance or class or none"),
    ],
)
def test_impossible_settings(settings: dict[str, object], match: str) -> None:
    with pytest.raises(UserError, match=match):
        MoCoConfig(**settings)  # type: ignore[arg-type]
