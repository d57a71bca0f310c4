"""Frozen features before a head: settled and standardised, and a head that needs no scale beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from fractalvid.finetune.clips.loader import TrainLoader
from fractalvid.finetune.run.frozen import Scale, prepare_frozen
from fractalvid.pretrain.models import ARCHITECTURES, build_model


@dataclass
class Batch:
    video: Tensor


@pytest.fixture(autouse=True)
def _few_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractalvid.finetune.run.frozen.BATCHES", 1)


def loader(clips: Tensor) -> TrainLoader:
    class Endless:
        def __iter__(self) -> Iterator[Batch]:
            while True:
                yield Batch(clips)

    return cast(TrainLoader, Endless())


CLIPS = torch.rand(6, 3, 2, 32, 32, generator=torch.Generator().manual_seed(0))


def features_before(head: nn.Module, network: nn.Module, clips: Tensor) -> Tensor:
    seen = list[Tensor]()
    hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network.eval()(clips)
    hook.remove()
    return seen[0]


def test_the_head_is_given_standardised_features_of_settled_statistics() -> None:
    network = build_model("r3d_10", 4, seed=0)
    prepare_frozen(network, "r3d_10", loader(CLIPS), settled=True, standardised=True)
    norm = network.get_submodule("stem.1")
    first = network.get_submodule("stem.0")(CLIPS)
    torch.testing.assert_close(norm.get_buffer("running_mean"), first.mean((0, 2, 3, 4)), rtol=1e-3, atol=1e-4)
    given = features_before(network.get_submodule("fc"), network, CLIPS)
    assert given.mean(0).abs().max() < 1e-3
    deviation = given.std(0, correction=0)
    assert ((deviation - 1).abs() < 1e-2).float().mean() > 0.9  # features that never change stay as they are


@pytest.mark.parametrize("name", ["r3d_10", "s3d", "tsm_mobilenet_v2"])
def test_folding_changes_no_answer(name: str) -> None:
    row = ARCHITECTURES[name]
    side = max(32, row.least_size)
    clips = torch.rand(2, 3, row.least_clip_len + 1, side, side, generator=torch.Generator().manual_seed(0))
    network = build_model(name, 4, seed=0)
    names = set(network.state_dict())
    fold = prepare_frozen(network, name, loader(clips), settled=name == "r3d_10", standardised=True)
    head = network.get_submodule(row.head)
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    with torch.no_grad():
        before = network.eval()(clips)
        fold()
        after = network(clips)
    assert not head._forward_pre_hooks
    assert set(network.state_dict()) == names
    assert torch.dist(after, before) < 1e-2 * before.norm()  # single answers may be next to nothing


def test_nothing_is_done_that_is_not_asked_for() -> None:
    network = build_model("r3d_10", 4, seed=0)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    fold = prepare_frozen(network, "r3d_10", loader(CLIPS), settled=False, standardised=False)
    fold()
    assert all(torch.equal(before[name], values) for name, values in network.state_dict().items())


def test_features_that_never_change_keep_their_size() -> None:
    scale = Scale(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 0.0]))
    (given,) = scale(nn.Identity(), (torch.tensor([[3.0, 5.5]]),))
    assert given.tolist() == [[1.0, 0.5]]


def test_scales_of_maps_are_those_of_channels() -> None:
    scale = Scale(torch.zeros(2), torch.tensor([2.0, 4.0]))
    maps: Any = torch.ones(1, 2, 3, 1, 1)
    (given,) = scale(nn.Identity(), (maps,))
    assert given[0, :, 2, 0, 0].tolist() == [0.5, 0.25]
