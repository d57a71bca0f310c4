"""ShuffledOrder BatchNorm: groups of their own, an order that is restored, and two processes that are as two groups."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.machine.collectives import mean
from fractalvid.pretrain.machine.processes import rank
from fractalvid.pretrain.models import backbone
from fractalvid.pretrain.objectives.config import MoCoConfig
from fractalvid.pretrain.objectives.moco import MoCo
from fractalvid.pretrain.objectives.split_norm import (
    SplitBatchNorm,
    encode_shuffled,
    groups_for,
    set_groups,
    shuffled_order,
    split_batchnorm,
)
from tests.pretrain.helpers import equal_state
from tests.pretrain.objectives.helpers import FEATURES, Pairs, pairs, toy
from tests.pretrain.ranks import on_ranks


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 3 + 1


@pytest.mark.parametrize(
    ("norm", "shape"), [(nn.BatchNorm1d, ()), (nn.BatchNorm2d, (4, 5)), (nn.BatchNorm3d, (2, 4, 5))]
)
def test_each_group_has_statistics_of_its_own(norm: type[nn.BatchNorm1d], shape: tuple[int, ...]) -> None:
    plain = norm(3)
    with torch.no_grad():
        plain.weight.copy_(torch.tensor([1.0, 2.0, 0.5]))
    split = split_batchnorm(copy.deepcopy(plain))
    assert isinstance(split, SplitBatchNorm)
    set_groups(split, 4)
    x = noise(12, 3, *shape)
    twins = [copy.deepcopy(plain) for _ in range(4)]
    expected = [twin(part) for twin, part in zip(twins, x.chunk(4), strict=True)]
    torch.testing.assert_close(split(x), torch.cat(expected))
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(split, name), torch.stack([getattr(twin, name) for twin in twins]).mean(0))
    assert split.num_batches_tracked == 1
    plain.load_state_dict(split.state_dict())
    assert torch.equal(split.eval()(x), plain.eval()(x))


def test_a_network_keeps_its_names_and_its_numbers() -> None:
    plain = backbone("r3d_10", seed=0)
    split = split_batchnorm(copy.deepcopy(plain))
    assert not any(isinstance(module, nn.BatchNorm3d) for module in split.modules())
    assert equal_state(plain, split)
    x = noise(4, 3, 4, 32, 32)
    assert torch.equal(plain.train()(x), split.train()(x))  # one group is BatchNorm
    set_groups(split, 2)
    assert not torch.allclose(plain(x), split(x))


@pytest.mark.parametrize(
    ("clips", "groups"),
    [(512, 8), (32, 4), (16, 2), (24, 3), (20, 2), (4, 2), (2, 1), (15, 1), (7, 1), (27, 3)],
)
def test_how_many_groups_there_are(clips: int, groups: int) -> None:
    assert groups_for(clips, None) == groups
    assert groups_for(clips, 1) == 1


def test_groups_that_do_not_divide_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="10 clips can't be normalised in 4"):
        groups_for(10, 4)


def test_orders_are_drawn_from_the_number_of_the_batch() -> None:
    first, again, other = (shuffled_order(number, 64) for number in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(first.sort().values, torch.arange(64))
    # Every clip comes into every half: over many batches, a half of the time.
    in_first_half = torch.stack([shuffled_order(number, 8).argsort() < 4 for number in range(400)]).float().mean(0)
    assert ((in_first_half - 0.5).abs() < 0.12).all()


def test_the_order_is_restored() -> None:
    clips = noise(12, 5)
    seen: list[Tensor] = []

    def encode(x: Tensor) -> Tensor:
        seen.append(x)
        return 2 * x

    assert torch.equal(encode_shuffled(encode, clips, 3), 2 * clips)
    assert torch.equal(seen[0], clips[shuffled_order(3, 12)])


def moco(groups: int | None) -> MoCo:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        return MoCo(toy(), FEATURES, MoCoConfig(queue=200, dim=8, bn_groups=groups)).train()


def test_keys_come_into_the_queue_in_the_order_of_their_clips() -> None:
    objective, batch = moco(2), pairs(0, 16)
    alone = copy.deepcopy(objective.follower)
    objective(batch)
    order = shuffled_order(batch.next_index, 16)
    expected = torch.empty(16, 8)
    for part in order.chunk(2):  # each in a batch by itself
        set_groups(alone, 1)
        expected[part] = alone(batch.video2[part])
    torch.testing.assert_close(objective.queue[:16], F.normalize(expected))
    assert torch.equal(objective.queue_id[:16], batch.clip_id)


def test_a_key_knows_nothing_of_the_other_groups() -> None:
    batch = pairs(0, 16)
    order = shuffled_order(batch.next_index, 16)
    changed = batch.video2.clone()
    changed[order[0]] += 5
    first, second = moco(2), moco(2)
    first(batch)
    second(replace(batch, video2=changed))
    same = (first.queue[:16] - second.queue[:16]).abs().amax(1) < 1e-6
    assert not same[order[:8]].any()
    assert same[order[8:]].all()
    together = moco(1)
    together(replace(batch, video2=changed))
    whole = moco(1)
    whole(batch)
    assert not ((whole.queue[:16] - together.queue[:16]).abs().amax(1) < 1e-6).any()


def test_the_same_batch_gives_the_same_loss_after_a_kill() -> None:
    objective = moco(None)
    objective(pairs(0, 16))
    resumed = moco(None)
    resumed.load_state_dict(objective.state_dict())
    assert torch.equal(objective(pairs(1, 16)).loss, resumed(pairs(1, 16)).loss)


def two_batches(objective: MoCo, rows: slice) -> dict[str, Tensor]:
    """The second's loss and gradients as means over processes, and the queue."""

    def part(batch: Pairs) -> Pairs:
        return Pairs(batch.video[rows], batch.video2[rows], batch.target[rows], batch.clip_id[rows], batch.next_index)

    objective(part(pairs(0, 32)))
    loss = objective(part(pairs(1, 32))).loss
    loss.backward()
    grads = {name: mean(p.grad) for name, p in objective.named_parameters() if p.grad is not None}
    return {"loss": mean(loss), "queue": objective.queue, "ids": objective.queue_id, **grads}


def on_rank(out: Path) -> None:
    rows = slice(16 * rank(), 16 * rank() + 16)
    torch.save(two_batches(moco(None), rows), out / f"{rank()}.pt")


def test_two_processes_are_as_two_groups(tmp_path: Path) -> None:
    assert on_ranks(2, on_rank, tmp_path, told=tmp_path / "told") == [0, 0]
    alone = two_batches(moco(2), slice(None))
    undivided = two_batches(moco(1), slice(None))
    assert not torch.allclose(alone["queue"], undivided["queue"], atol=1e-3)
    for r in (0, 1):
        found = torch.load(tmp_path / f"{r}.pt")
        assert found.keys() == alone.keys()
        for name, value in alone.items():
            torch.testing.assert_close(found[name], value, msg=name)
