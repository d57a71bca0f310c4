from pathlib import Path

import pytest
import torch
from torch import nn

from fractalvid.pretrain.engine.checkpoint import CHECKPOINT, load_checkpoint
from fractalvid.pretrain.optim.ema import Ema
from fractalvid.utils.errors import UserError
from tests.pretrain.engine.test_training import StopsAfter, untimed
from tests.pretrain.helpers import Coloured, equal_state, fit, tiny


def test_the_average_is_that_of_the_formula() -> None:
    network = nn.Linear(1, 1, bias=False)
    weights = [5.0, 1.0, -2.0, 4.0, 8.0]
    network.weight.data.fill_(100.0)  # what was before the first step has no part in it
    ema, expected = Ema(network, 0.3), 0.0
    for n, weight in enumerate(weights):
        network.weight.data.fill_(weight)
        ema.update(network)
        keep = 0.0 if n == 0 else min(0.3, (1 + n) / (10 + n))
        expected = keep * expected + (1 - keep) * weight
        assert ema.network.get_parameter("weight").item() == pytest.approx(expected, rel=1e-6)
    assert network.weight.item() == 8.0
    assert not ema.network.get_parameter("weight").requires_grad


def test_statistics_of_batchnorm_are_averaged_too() -> None:
    network = nn.BatchNorm1d(2)
    ema = Ema(network, 0.5)
    ema.update(network)
    network.get_buffer("running_mean").fill_(11.0)
    ema.update(network)
    expected = 11.0 * (1 - 2 / 11)  # the decay of a second update, on top of a mean of 0
    assert ema.network.get_buffer("running_mean").tolist() == pytest.approx([expected] * 2)


def test_validation_and_the_final_weights_are_the_averages(tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def validate(network: nn.Module) -> dict[str, float]:
        assert not network.training
        seen.append({k: v.clone() for k, v in network.state_dict().items()})
        return {"x": 1.0}

    averaged, raw = tiny(), tiny()
    fit(tmp_path / "ema", averaged, ema=0.9, validate=validate)
    fit(tmp_path / "raw", raw)
    assert all(torch.equal(seen[-1][k], v) for k, v in averaged.state_dict().items())
    assert not equal_state(averaged, raw)
    # Training itself goes on from the weights that are not averaged.
    kept = load_checkpoint(tmp_path / "ema" / CHECKPOINT)["model"]
    assert all(torch.equal(kept[k], v) for k, v in raw.state_dict().items())


def test_a_run_with_an_average_resumes_exactly(tmp_path: Path) -> None:
    whole, second = tiny(), tiny(seed=9)
    expected = fit(tmp_path / "whole", whole, steps=17, ema=0.9)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "parts", tiny(), StopsAfter(8), steps=17, ema=0.9)
    result = fit(tmp_path / "parts", second, steps=17, ema=0.9, resume=True)
    assert equal_state(whole, second)
    assert untimed(result.history) == untimed(expected.history)
    again = tiny(seed=4)
    fit(tmp_path / "parts", again, steps=17, ema=0.9, resume=True)
    assert equal_state(whole, again)
    with pytest.raises(UserError, match=r"average of the weights \(--ema\), or without"):
        fit(tmp_path / "parts", tiny(), steps=17, resume=True)


def test_skipped_steps_are_no_part_of_the_average(tmp_path: Path) -> None:
    model = tiny()
    fit(tmp_path, model, Coloured(broken=frozenset({4})), steps=6, ema=0.9, max_bad_share=0.5)
    state = load_checkpoint(tmp_path / CHECKPOINT)
    assert state["ema"]["n_averaged"] == 5
    assert all(torch.isfinite(v).all() for v in model.state_dict().values())


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_what_is_no_decay_is_refused(tmp_path: Path, decay: float) -> None:
    with pytest.raises(UserError, match="ema is"):
        fit(tmp_path, ema=decay)
