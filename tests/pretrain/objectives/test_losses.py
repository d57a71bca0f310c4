"""Losses against references that were written from the papers' equations, one pair at a time, in float64."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from torch import Tensor

from fractalvid.pretrain.objectives.losses import (
    agreement,
    byol_regression,
    curve_regression,
    dice,
    info_nce,
    mask_bce,
    nt_xent,
    spread,
)

Floats = NDArray[np.float64]


def vectors(*shape: int, seed: int = 0) -> Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def cosine(a: Floats, b: Floats) -> float:
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


def doubles(*tensors: Tensor) -> list[Floats]:
    return [t.double().numpy() for t in tensors]


def reference_info_nce(given: list[Floats], t: float, usable: NDArray[np.bool_] | None) -> float:
    (query, key, negatives), losses = given, []
    for i, q in enumerate(query):
        positive = cosine(q, key[i]) / t
        told = [positive]
        for j, n in enumerate(negatives):
            if usable is None or usable[i, j]:
                told.append(cosine(q, n) / t)
        losses.append(logsumexp(told) - positive)
    return float(np.mean(losses))


def reference_nt_xent(given: list[Floats], t: float) -> float:
    first, second = given
    z = [*first, *second]
    pair = {i: (i + len(first)) % len(z) for i in range(len(z))}
    losses = []
    for i in range(len(z)):
        told = [cosine(z[i], z[k]) / t for k in range(len(z)) if k != i]
        losses.append(logsumexp(told) - cosine(z[i], z[pair[i]]) / t)
    return float(np.mean(losses))


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("masked", [False, True])
def test_info_nce_is_the_equation(batch: int, masked: bool) -> None:
    q, k, n = vectors(batch, 7), vectors(batch, 7, seed=1), vectors(9, 7, seed=2)
    usable = torch.rand(batch, 9, generator=torch.Generator().manual_seed(3)) < 0.6 if masked else None
    expected = reference_info_nce(doubles(q, k, n), 0.07, None if usable is None else usable.numpy())
    assert info_nce(q, k, n, temperature=0.07, usable=usable).item() == pytest.approx(expected, rel=1e-5)


def test_info_nce_without_negatives_asks_nothing() -> None:
    q, k = vectors(3, 4).requires_grad_(), vectors(3, 4, seed=1)
    for negatives, usable in ((vectors(0, 4), None), (vectors(5, 4), torch.zeros(3, 5, dtype=torch.bool))):
        loss = info_nce(q, k, negatives, temperature=0.1, usable=usable)
        (grad,) = torch.autograd.grad(loss, q)
        assert loss.item() == 0
        assert torch.equal(grad, torch.zeros_like(grad))


def test_info_nce_ignores_what_is_not_usable() -> None:
    q, k, n = vectors(4, 6), vectors(4, 6, seed=1), vectors(8, 6, seed=2)
    usable = torch.ones(4, 8, dtype=torch.bool)
    usable[:, 5:] = False
    other = n.clone()
    other[5:] = 100.0
    losses = [info_nce(q, k, some, temperature=0.1, usable=usable) for some in (n, other)]
    assert torch.equal(*losses)
    assert losses[0].item() == pytest.approx(info_nce(q, k, n[:5], temperature=0.1).item())


@pytest.mark.parametrize("batch", [1, 2, 6])
def test_nt_xent_is_the_equation(batch: int) -> None:
    first, second = vectors(batch, 5), vectors(batch, 5, seed=1)
    expected = reference_nt_xent(doubles(first, second), 0.1)
    assert nt_xent(first, second, temperature=0.1).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert nt_xent(second, first, temperature=0.1).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_byol_regression_is_the_equation() -> None:
    p, z = vectors(6, 5), vectors(6, 5, seed=1)
    expected = np.mean([2 - 2 * cosine(a, b) for a, b in zip(*doubles(p, z), strict=True)])
    assert byol_regression(p, z).item() == pytest.approx(expected, rel=1e-5)
    assert byol_regression(p, 7 * p).item() == pytest.approx(0, abs=1e-6)
    assert byol_regression(p, -p).item() == pytest.approx(4, rel=1e-6)


def test_mask_losses_are_their_formulas() -> None:
    logits, target = vectors(3, 2, 4, 5), torch.rand(3, 2, 4, 5, generator=torch.Generator().manual_seed(1))
    x, t = doubles(logits, target)
    p = 1 / (1 + np.exp(-x))
    bce = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    assert mask_bce(logits, target).item() == pytest.approx(bce, rel=1e-5)
    shares = [(2 * (a * b).sum() + 1) / (a.sum() + b.sum() + 1) for a, b in zip(p, t, strict=True)]
    assert dice(logits, target).item() == pytest.approx(1 - np.mean(shares), rel=1e-5)


def test_a_right_mask_costs_nothing_and_an_empty_one_has_a_gradient() -> None:
    target = torch.zeros(2, 1, 4, 4)
    target[0, 0, 1:3, 1:3] = 1
    sure = 100 * (2 * target - 1)
    assert dice(sure, target).item() == pytest.approx(0, abs=1e-6)
    assert mask_bce(sure, target).item() == pytest.approx(0, abs=1e-6)
    logits = torch.zeros(2, 1, 4, 4, requires_grad=True)
    (grad,) = torch.autograd.grad(dice(logits, torch.zeros(2, 1, 4, 4)), logits)
    assert (grad > 0).all()  # down everywhere: there is nothing to be seen


def test_curve_regression_is_the_mean_squared_error() -> None:
    a, b = vectors(3, 4), vectors(3, 4, seed=1)
    x, y = doubles(a, b)
    assert curve_regression(a, b).item() == pytest.approx(((x - y) ** 2).mean(), rel=1e-6)


@pytest.mark.parametrize("name", ["info_nce", "nt_xent", "byol", "mask", "dice"])
def test_gradients_are_those_of_small_differences(name: str) -> None:
    """Losses compute in float32, so differences are taken over a step that float32 resolves."""
    other, negatives = vectors(3, 4, seed=1), vectors(6, 4, seed=2)
    losses: dict[str, Any] = {
        "info_nce": lambda x: info_nce(x, other, negatives, temperature=0.5),
        "nt_xent": lambda x: nt_xent(x, other, temperature=0.5),
        "byol": lambda x: byol_regression(x, other),
        "mask": lambda x: mask_bce(x, other.sigmoid()),
        "dice": lambda x: dice(x, other.sigmoid()),
    }
    x, along = vectors(3, 4), vectors(3, 4, seed=5) / 3
    (grad,) = torch.autograd.grad(losses[name](x.requires_grad_()), x)
    step = 1e-2
    with torch.no_grad():
        difference = (losses[name](x + step * along) - losses[name](x - step * along)) / (2 * step)
    assert (grad * along).sum().item() == pytest.approx(difference.item(), rel=0.02, abs=2e-4)


def test_low_precision_around_them_does_not_round_products() -> None:
    q, k, n = vectors(4, 32), vectors(4, 32, seed=1), vectors(16, 32, seed=2)
    plain = (info_nce(q, k, n, temperature=0.07), nt_xent(q, k, temperature=0.07))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = (info_nce(q, k, n, temperature=0.07), nt_xent(q, k, temperature=0.07))
    for one, other in zip(plain, inside, strict=True):
        assert torch.equal(one, other)
        assert other.dtype == torch.float32


def test_agreement_and_spread() -> None:
    x = vectors(512, 16)
    assert agreement(x, 2 * x).item() == pytest.approx(1)
    assert agreement(x, -x).item() == pytest.approx(-1)
    assert spread(x).item() == pytest.approx(1, abs=0.03)
    assert spread(x[:1].expand(8, -1)).item() == pytest.approx(0, abs=1e-3)
    assert spread(x[:1]).item() == 0  # a batch of one


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: info_nce(vectors(3, 4), vectors(2, 4), vectors(5, 4), temperature=0.1),
        lambda: info_nce(vectors(3, 4), vectors(3, 4), vectors(5, 3), temperature=0.1),
        lambda: info_nce(
            *(vectors(3, 4), vectors(3, 4), vectors(5, 4)),
            temperature=0.1,
            usable=torch.ones(3, 4, dtype=torch.bool),
        ),
        lambda: nt_xent(vectors(3, 4), vectors(3, 5), temperature=0.1),
        lambda: byol_regression(vectors(3), vectors(3)),
        lambda: mask_bce(vectors(2, 3, 4, 4), vectors(2, 3, 4, 5)),
        lambda: dice(vectors(2, 3, 4, 4), vectors(2, 1, 4, 4)),
        lambda: curve_regression(vectors(2, 3), vectors(2, 4)),
    ],
)
def test_shapes_that_do_not_fit(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"must be|differ"):
        wrong()
