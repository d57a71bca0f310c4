"""BatchNorm, ReLU and pooling in one: the numbers of PyTorch's own layers in double precision."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.models.cpu.pooled_norm import fits, pooled_norm
from fractalvid.pretrain.models.pooling import FramePool
from fractalvid.pretrain.objectives.split_norm import SplitBatchNorm

SHAPES = [(2, 5, 3, 6, 8), (3, 4, 2, 7, 5), (1, 1, 1, 2, 1), (2, 33, 1, 1, 9)]


def layer_by_layer(x: Tensor, norm: nn.Module) -> Tensor:
    pooled: Tensor = FramePool()(torch.relu(norm(x)))
    return pooled


def maps(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Numbers of which no two are alike, so that maxima are where they are; exact in either type."""
    positive = torch.arange(0x3E00, 0x4300, dtype=torch.int16).view(torch.bfloat16)
    values = torch.cat([positive, -positive])
    values = values[torch.randperm(len(values), generator=torch.Generator().manual_seed(1))]
    many = torch.Size(shape).numel()
    return values[:many].reshape(shape).to(dtype).to(memory_format=torch.channels_last_3d)


def norm_of(channels: int, momentum: float | None = 0.1) -> nn.BatchNorm3d:
    """One with weights of both signs."""
    norm = nn.BatchNorm3d(channels, momentum=momentum)
    chance = torch.Generator().manual_seed(2)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(channels, generator=chance))
        norm.bias.copy_(torch.randn(channels, generator=chance))
    return norm


def learned(operation: Callable[[Tensor, nn.BatchNorm3d], Tensor], x: Tensor, norm: nn.BatchNorm3d) -> list[Tensor]:
    """The maps, the gradients of x, weight and bias, and the running statistics after two rounds."""
    norm = copy.deepcopy(norm).to(torch.float64 if x.dtype == torch.float64 else torch.float32)
    for _ in range(2):
        norm.zero_grad()
        leaf = x.detach().clone().requires_grad_()
        out = operation(leaf, norm)
        gradient = torch.linspace(-1, 2, out.numel()).to(torch.bfloat16).reshape(out.shape)
        out.backward(gradient.to(out.dtype))  # type: ignore[no-untyped-call]
    told = [out, leaf.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var]
    return [tensor.detach().double() for tensor in told if tensor is not None]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_it_computes_what_the_layers_do(
    shape: tuple[int, ...], dtype: torch.dtype, off: float, momentum: float | None
) -> None:
    x, norm = maps(shape, dtype), norm_of(shape[1], momentum)
    assert fits(x, norm)
    ours, wanted = learned(pooled_norm, x, norm), learned(layer_by_layer, x.double(), norm)
    assert len(ours) == len(wanted) == 6
    for own, other in zip(ours, wanted, strict=True):
        assert own.shape == other.shape
        torch.testing.assert_close(own, other, rtol=off, atol=off * float(other.abs().max()) + 1e-6)


def test_statistics_far_from_zero_keep_their_variance() -> None:
    x = (maps((2, 4, 3, 6, 6), torch.float32) / 100 + 1000).contiguous(memory_format=torch.channels_last_3d)
    for own, other in zip(
        learned(pooled_norm, x, norm_of(4)), learned(layer_by_layer, x.double(), norm_of(4)), strict=True
    ):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-3)


@pytest.fixture
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_threads")
def test_threads_change_no_bit() -> None:
    seen = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        seen.append(learned(pooled_norm, maps((4, 6, 3, 5, 5), torch.float32), norm_of(6)))
    for others in seen[1:]:
        assert all(torch.equal(own, other) for own, other in zip(seen[0], others, strict=True))


def test_what_is_no_number_stays_none() -> None:
    x = maps((2, 3, 2, 4, 4), torch.bfloat16)
    x[0, 1, 0, 0, 0] = torch.nan
    out = pooled_norm(x, norm_of(3))
    assert out[:, 1].isnan().all()
    assert not out[:, [0, 2]].isnan().any()


def test_an_infinite_gradient_reaches_the_weights() -> None:
    x, norm = maps((2, 3, 2, 4, 4), torch.float32), norm_of(3)
    (pooled_norm(x, norm).sum() * torch.inf).backward()  # type: ignore[no-untyped-call]
    assert norm.bias.grad is not None
    assert not norm.bias.grad.isfinite().all()


def test_other_layouts_and_layers_are_left_to_pytorch() -> None:
    x = maps((2, 3, 2, 4, 4), torch.float32)
    assert fits(x, nn.BatchNorm3d(3))
    assert not fits(x, nn.BatchNorm3d(3).eval())
    assert not fits(x, nn.BatchNorm3d(3, affine=False))
    assert not fits(x, SplitBatchNorm(3))
    assert not fits(x.contiguous(), nn.BatchNorm3d(3))
    assert not fits(x.double(), nn.BatchNorm3d(3))
    assert not fits(x.to("meta"), nn.BatchNorm3d(3))
    assert not fits(x[:1, :, :1, :1, :1], nn.BatchNorm3d(3))  # which PyTorch refuses, in its own words


def test_without_running_statistics_nothing_is_tracked() -> None:
    norm = nn.BatchNorm3d(3, track_running_stats=False)
    x = maps((2, 3, 2, 4, 4), torch.float32)
    torch.testing.assert_close(pooled_norm(x, norm), layer_by_layer(x, norm))


def test_a_network_learns_as_it_did_layer_by_layer() -> None:
    ours: Any = build_model("r3d_10", 5, seed=0).to(memory_format=torch.channels_last_3d)
    other = copy.deepcopy(ours)
    other.stem = nn.Sequential(*other.stem)
    assert list(ours.state_dict()) == list(other.state_dict())
    video = torch.randn(4, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    for network in (ours, other):
        network(video.to(memory_format=torch.channels_last_3d)).square().sum().backward()
    for (name, own), (_, same) in zip(ours.named_parameters(), other.named_parameters(), strict=True):
        assert own.grad is not None and same.grad is not None
        assert float((own.grad - same.grad).norm()) <= 2e-2 * float(same.grad.norm()) + 1e-6, name
    torch.testing.assert_close(ours.state_dict()["stem.1.running_var"], other.state_dict()["stem.1.running_var"])


def test_whoever_watches_the_layers_sees_them() -> None:
    network: Any = build_model("r3d_10", 5, seed=0).to(memory_format=torch.channels_last_3d)
    seen: list[torch.Size] = []
    network.stem[2].register_forward_hook(lambda layer, given, made: seen.append(made.shape))
    network(torch.randn(2, 3, 4, 32, 32).to(memory_format=torch.channels_last_3d))
    assert seen == [(2, 32, 4, 16, 16)]


def test_whoever_watches_gradients_sees_them() -> None:
    network: Any = build_model("r3d_10", 5, seed=0).to(memory_format=torch.channels_last_3d)
    network.stem[2].inplace = False  # which PyTorch's own hooks ask for
    seen: list[torch.Size] = []
    network.stem[2].register_full_backward_hook(lambda layer, given, made: seen.append(made[0].shape))
    network(torch.randn(2, 3, 4, 32, 32).to(memory_format=torch.channels_last_3d)).sum().backward()
    assert seen == [(2, 32, 4, 16, 16)]
