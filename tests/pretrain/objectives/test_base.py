"""What the loop does with an objective, whatever it is."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from fractalvid.pretrain.engine.checkpoint import CHECKPOINT, load_checkpoint
from fractalvid.pretrain.engine.objective import Objective, Outcome
from fractalvid.pretrain.optim.config import OptimConfig
from fractalvid.utils.errors import UserError
from tests.pretrain.engine.test_training import StopsAfter, untimed
from tests.pretrain.helpers import Coloured, equal_state, fit, plain, tiny


class Follows(Objective):
    """Predicts what a slow copy of the network says, and keeps the latest answers in a queue."""

    mixes: ClassVar[bool] = False

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.backbone, self.slow = tiny(seed), tiny(seed + 1)
        self.slow.requires_grad_(False)
        self.register_buffer("queue", torch.zeros(4))
        self.steps: list[tuple[int, int | None]] = []

    def forward(self, batch: Any) -> Outcome:
        assert self.slow.training
        assert isinstance(self.queue, Tensor)
        fast, slow = self.backbone(batch.video), self.slow(batch.video)
        loss = (fast - slow).square().mean() + 0 * self.queue.sum()
        self.queue.copy_(torch.cat([loss.detach()[None], self.queue[:-1]]))
        return Outcome(loss, parts={"distance": loss.detach() * 2})

    def after_step(self, step: int, total: int | None) -> None:
        assert not torch.is_grad_enabled()
        self.steps.append((step, total))
        for slow, fast in zip(self.slow.parameters(), self.backbone.parameters(), strict=True):
            slow.lerp_(fast, 0.1)


def test_an_objective_is_followed_logged_and_resumed(tmp_path: Path) -> None:
    whole, second = Follows(), Follows(seed=5)
    expected = fit(tmp_path / "whole", whole, steps=17)
    assert whole.steps == [(n, 17) for n in range(1, 18)]
    row = [row for row in expected.history if row["kind"] == "train"][-1]
    assert row["distance"] == pytest.approx(2 * row["loss"])
    assert "accuracy" not in row
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "parts", Follows(), StopsAfter(8), steps=17)
    result = fit(tmp_path / "parts", second, steps=17, resume=True)
    assert equal_state(whole, second)
    assert untimed(result.history) == untimed(expected.history)
    kept = load_checkpoint(tmp_path / "whole" / CHECKPOINT)
    assert kept["model"].keys() == whole.backbone.state_dict().keys()
    assert {"queue", "slow.fc.weight"} < kept["objective"].keys()


def test_its_network_is_validated(tmp_path: Path) -> None:
    objective = Follows()
    fit(tmp_path, objective, validate=lambda network: {"right": float(network is objective.backbone)}, steps=3)
    assert objective.training


def test_a_skipped_step_leaves_no_trace_in_its_buffers_and_is_not_followed(tmp_path: Path) -> None:
    objective = Follows()
    fit(tmp_path, objective, Coloured(broken=frozenset({2})), steps=5, max_bad_share=0.5)
    assert [step for step, _ in objective.steps] == [1, 2, 4, 5]
    assert isinstance(objective.queue, Tensor)
    assert torch.isfinite(objective.queue).all()
    assert (objective.queue > 0).all()


def test_a_checkpoint_of_another_objective_is_refused(tmp_path: Path) -> None:
    fit(tmp_path, Follows(), steps=2)
    with pytest.raises(UserError, match="is of another network or optimiser"):
        fit(tmp_path, tiny(), steps=4, resume=True)


def test_a_checkpoint_of_another_optimiser_or_network_says_what_differs(tmp_path: Path) -> None:
    fit(tmp_path, tiny(), steps=2)
    with pytest.raises(UserError, match="its optimiser is AdamW, not SGD"):
        fit(tmp_path, tiny(), steps=4, resume=True, optim=OptimConfig(optimizer="sgd", lr=0.1))
    with pytest.raises(UserError, match=r"another network or optimiser \(.*key.*\); use") as caught:
        fit(tmp_path, plain(), steps=4, resume=True)
    assert "\n" not in str(caught.value)
