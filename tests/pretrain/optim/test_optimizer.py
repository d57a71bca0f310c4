import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from fractalvid.pretrain.optim.config import OptimConfig
from fractalvid.pretrain.optim.optimizer import build_optimizer, param_groups, restore_optimizer, set_lr
from fractalvid.pretrain.optim.schedule import lr_at, scaled, warmup_steps
from fractalvid.utils.errors import UserError


def test_warmup_is_linear_and_reaches_the_peak() -> None:
    rates = [lr_at(step, 100, warmup=10, base=1.0, final=0.1) for step in range(10)]
    assert rates == pytest.approx([0.1 * (k + 1) for k in range(10)])


def test_cosine_falls_from_the_peak_to_the_final_rate() -> None:
    rates = [lr_at(step, 100, warmup=10, base=1.0, final=0.1) for step in range(9, 100)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1.0
    assert rates[45] == pytest.approx(0.55)  # half way down the cosine
    assert rates[-1] == pytest.approx(0.1)


@pytest.mark.parametrize(("total", "warmup"), [(1, 0), (1, 1), (2, 0), (3, 3)])
def test_short_runs_have_usable_rates(total: int, warmup: int) -> None:
    rates = [lr_at(step, total, warmup=warmup, base=1.0, final=0.1) for step in range(total)]
    assert all(0.1 <= rate <= 1.0 and math.isfinite(rate) for rate in rates)


def test_rate_scales_with_the_batch_and_warmup_with_the_run() -> None:
    assert scaled(8e-4, 32) == 8e-4
    assert scaled(8e-4, 128) == pytest.approx(3.2e-3)
    assert warmup_steps(OptimConfig(warmup=0.12), 1000) == 120


def _network() -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(4, 2))


def test_norms_and_biases_do_not_decay() -> None:
    model = _network()
    decays = {id(p): g["weight_decay"] for g in param_groups(model, list(model.parameters()), 0.3) for p in g["params"]}
    assert len(decays) == 6
    for name, parameter in model.named_parameters():
        assert decays[id(parameter)] == (0.3 if name in ("0.weight", "3.weight") else 0.0), name


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_only_trainable_parameters_are_updated(name: str) -> None:
    model = _network()
    optimizer = build_optimizer(OptimConfig(optimizer=name), model, list(model[3].parameters()))  # type: ignore[arg-type]  # parametrized
    set_lr(optimizer, 0.1)
    before = [p.clone() for p in model.parameters()]
    model(torch.ones(2, 3, 1, 1, 1)).sum().backward()
    optimizer.step()
    changed = [not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert changed == [False, False, False, False, True, True]


@pytest.mark.parametrize(
    "bad",
    [
        {"lr": 0.0},
        {"lr": float("nan")},
        {"final_lr": 1.0},
        {"warmup": 1.0},
        {"weight_decay": -1.0},
        {"momentum": 1.0},
        {"optimizer": "adam"},
    ],
)
def test_impossible_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(UserError):
        OptimConfig(**bad)  # type: ignore[arg-type]  # wrong on purpose


def test_the_rate_falls_to_the_default_but_never_rises_to_it() -> None:
    assert OptimConfig().last_lr == OptimConfig().final_lr == 1e-5
    low = OptimConfig(lr=1e-6)
    assert low.last_lr == 1e-6
    assert low.final_lr == 1e-5, "computed, not written back"
    assert OptimConfig(lr=1e-6, final_lr=0.0).last_lr == 0
    with pytest.raises(UserError, match="final-lr is 2e-06; it must lie between 0 and lr"):
        OptimConfig(lr=1e-6, final_lr=2e-6)


def test_momentum_of_sgd_is_nesterovs_or_classic() -> None:
    slope, momentum, lr = torch.tensor([1.0, 2.0, -3.0]), 0.9, 0.1
    for classic in (False, True):
        weight = nn.Parameter(torch.zeros(1, 1))
        layer = nn.Module()
        layer.register_parameter("weight", weight)
        config = OptimConfig(optimizer="sgd", momentum=momentum, weight_decay=0.0, classic_momentum=classic)
        optimizer = build_optimizer(config, layer, [weight])
        set_lr(optimizer, lr)
        velocity, expected = 0.0, 0.0
        for g in slope.tolist():
            weight.grad = torch.full((1, 1), g)
            optimizer.step()
            velocity = momentum * velocity + g
            expected -= lr * (velocity if classic else g + momentum * velocity)
        assert weight.item() == pytest.approx(expected, rel=1e-6)


def _trained(fused: bool | None, steps: int, start: Any = None) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A network after `steps` of AdamW, from what `start` kept of another's optimiser and weights."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
    optimizer = build_optimizer(OptimConfig(weight_decay=0.2), model, list(model.parameters()))
    if fused is not True:
        for group in optimizer.param_groups:
            group["fused"] = fused
    if start is not None:
        model.load_state_dict(start[0])
        optimizer.load_state_dict(copy.deepcopy(start[1]))  # which would share its averages
    set_lr(optimizer, 0.05)
    for number in range(steps):
        optimizer.zero_grad()
        video = torch.randn(4, 3, 1, 1, 1, generator=torch.Generator().manual_seed(number))
        model(video).square().sum().backward()
        optimizer.step()
    return model, optimizer


def test_adamw_is_fused_on_a_cpu_and_computes_the_same() -> None:
    fused, optimizer = _trained(True, 5)
    assert [group["fused"] for group in optimizer.param_groups] == [True, True]
    plain, _ = _trained(None, 5)
    for name, weight in plain.state_dict().items():
        torch.testing.assert_close(fused.state_dict()[name], weight, rtol=1e-4, atol=1e-5, msg=name)


def test_a_checkpoint_goes_on_in_the_way_it_began() -> None:
    model, optimizer = _trained(None, 3)
    state = (model.state_dict(), optimizer.state_dict())
    on_fused, of_old = _trained(True, 2, state)
    on_plain, _ = _trained(None, 2, state)
    assert [group["fused"] for group in of_old.param_groups] == [None, None]
    for name, weight in on_plain.state_dict().items():
        assert torch.equal(on_fused.state_dict()[name], weight), name


@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.parametrize("then", [torch.contiguous_format, torch.channels_last_3d])
def test_what_was_saved_goes_on_in_any_layout(name: Any, then: torch.memory_format) -> None:
    chance = torch.Generator().manual_seed(0)
    gradients = [torch.randn((4, 3, 3, 3, 3), generator=chance) for _ in range(4)]

    def steps(weight: nn.Conv3d, optimizer: torch.optim.Optimizer, some: list[torch.Tensor]) -> None:
        set_lr(optimizer, 0.1)
        for gradient in some:
            weight.weight.grad = torch.empty_like(weight.weight).copy_(gradient)
            optimizer.step()

    def network(layout: torch.memory_format, of: nn.Conv3d) -> tuple[nn.Conv3d, torch.optim.Optimizer]:
        model = copy.deepcopy(of).to(memory_format=layout)
        return model, build_optimizer(OptimConfig(optimizer=name), model, list(model.parameters()))

    whole, optimizer = network(torch.contiguous_format, nn.Conv3d(3, 4, 3, bias=False))
    begun, first = network(torch.contiguous_format, whole)
    steps(whole, optimizer, gradients)
    steps(begun, first, gradients[:2])
    resumed, second = network(then, begun)
    restore_optimizer(second, first.state_dict())
    steps(resumed, second, gradients[2:])
    torch.testing.assert_close(resumed.weight, whole.weight)
    assert second.param_groups[0]["fused"] == first.param_groups[0]["fused"]
