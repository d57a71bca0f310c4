"""Every objective learns the toy problem; and what it needs of the loop: gradients, resumes, skipped steps."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from fractalvid.pretrain.engine.checkpoint import CHECKPOINT
from fractalvid.pretrain.engine.objective import Objective
from fractalvid.pretrain.objectives.byol import BYOL
from fractalvid.pretrain.objectives.config import BYOLConfig, MoCoConfig, SimCLRConfig
from fractalvid.pretrain.objectives.losses import nt_xent
from fractalvid.pretrain.objectives.moco import MoCo
from fractalvid.pretrain.objectives.simclr import SimCLR
from tests.pretrain.helpers import equal_state, fit
from tests.pretrain.objectives.helpers import FEATURES, Endless, Pairs, learn, pairs, separation, toy

Make = Callable[[], Objective]


def seeded(make: Make) -> Objective:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        return make()


MOCO = MoCoConfig(queue=256, temperature=0.2, momentum=0.95, dim=16, hidden=64)
OBJECTIVES: dict[str, Make] = {
    "moco": lambda: MoCo(toy(), FEATURES, MOCO),
    "simclr": lambda: SimCLR(toy(), FEATURES, SimCLRConfig(dim=16, hidden=64)),
    "byol": lambda: BYOL(toy(), FEATURES, BYOLConfig(momentum=0.9, dim=16, hidden=64)),
}
each = pytest.mark.parametrize("name", OBJECTIVES)


@each
def test_views_of_one_class_end_closer(name: str) -> None:
    objective = seeded(OBJECTIVES[name])
    before = separation(objective.backbone)
    losses = learn(objective, 150)
    assert before < 0.1
    assert separation(objective.backbone) > 0.3
    # MoCo's first losses are of a queue that is not full yet.
    assert sum(losses[-10:]) < 0.9 * sum(losses[20:30])


@each
def test_what_the_log_says(name: str) -> None:
    outcome = seeded(OBJECTIVES[name]).train()(pairs(0))
    assert outcome.loss.shape == ()
    assert outcome.logits is None
    assert set(outcome.parts) == {"agreement", "spread"}
    assert not any(part.requires_grad for part in outcome.parts.values())
    assert -1 <= outcome.parts["agreement"] <= 1


@each
def test_only_the_online_networks_have_gradients_all_of_them(name: str) -> None:
    objective = seeded(OBJECTIVES[name]).train()
    objective(pairs(1))
    objective(pairs(0)).loss.backward()
    for parameter_name, parameter in objective.named_parameters():
        followed = parameter_name.startswith("follower.")
        assert (parameter.grad is None) == followed
        assert parameter.requires_grad != followed


@each
def test_resuming_is_as_if_it_had_never_stopped(name: str, tmp_path: Path) -> None:
    class Stops(Endless):
        def __iter__(self) -> Iterator[Pairs]:
            for batch in super().__iter__():
                if batch.next_index > 5:
                    raise InterruptedError
                yield batch

    whole, stopped, resumed = (seeded(OBJECTIVES[name]) for _ in range(3))
    fit(tmp_path / "whole", whole, Endless(), steps=8)
    with pytest.raises(InterruptedError):
        fit(tmp_path / "parts", stopped, Stops(), steps=8, checkpoint_every=3)
    assert (tmp_path / "parts" / CHECKPOINT).exists()
    fit(tmp_path / "parts", resumed, Endless(), steps=8, resume=True)
    assert equal_state(whole, resumed)
    assert not equal_state(whole, stopped)


@each
def test_a_skipped_step_leaves_no_trace(name: str, tmp_path: Path) -> None:
    class Broken(Endless):
        def __iter__(self) -> Iterator[Pairs]:
            for batch in super().__iter__():
                if batch.next_index == 3:
                    batch.video[:] = float("nan")
                    batch.video2[:] = float("nan")
                yield batch

    objective, before = seeded(OBJECTIVES[name]), seeded(OBJECTIVES[name])
    fit(tmp_path / "before", before, Endless(), steps=2)
    result = fit(tmp_path / "skipping", objective, Broken(), steps=3, max_bad_share=1.0)
    assert result.skipped == 1
    for key, value in objective.state_dict().items():
        assert torch.isfinite(value).all(), key
    if isinstance(objective, MoCo):
        assert objective.place.item() == 12


def test_simclr_takes_both_views_in_one_pass() -> None:
    objective, batch = seeded(OBJECTIVES["simclr"]).train(), pairs(0)
    assert isinstance(objective, SimCLR)
    other = copy.deepcopy(objective)
    features = other.backbone(torch.cat([batch.video, batch.video2]))
    first, second = other.projector(features).chunk(2)
    expected = nt_xent(first, second, temperature=0.1)
    torch.testing.assert_close(objective(batch).loss, expected)


def test_byol_is_symmetric() -> None:
    objective, batch = seeded(OBJECTIVES["byol"]).train(), pairs(0)
    swapped = Pairs(batch.video2, batch.video, batch.target, batch.clip_id)
    torch.testing.assert_close(objective(batch).loss, copy.deepcopy(objective)(swapped).loss)
