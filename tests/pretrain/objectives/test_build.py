"""Objectives by name: what their settings refuse, and what is built."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.models import backbone, build_model
from fractalvid.pretrain.objectives.build import build_objective
from fractalvid.pretrain.objectives.byol import BYOL
from fractalvid.pretrain.objectives.config import OBJECTIVES, BYOLConfig, MoCoConfig, ObjectiveConfig, SimCLRConfig
from fractalvid.pretrain.objectives.moco import MoCo
from fractalvid.pretrain.objectives.simclr import SimCLR
from fractalvid.pretrain.objectives.supervised import Supervised
from fractalvid.stream import FractalStream, SecondView, StreamConfig
from fractalvid.utils.errors import UserError
from tests.pretrain.helpers import equal_state

NAMES = tuple(OBJECTIVES)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"name": "swav"}, "name must be supervised or moco or simclr or byol, got 'swav'"),
        ({"aux_mask": -1.0}, "aux-mask is -1.0"),
        ({"aux_curve": float("nan")}, "aux-curve is nan"),
        ({"aux_flow": -0.1}, "aux-flow is -0.1"),
        ({"aux_curve": float("inf")}, "aux-curve is inf"),
        ({"name": "moco", "reverse": 2.0}, "reverse must be a probability"),
        ({"name": "byol", "key_strength": -0.5}, "key-strength must be a probability"),
        ({"key_strength": 0.5}, "key-strength is set, but --objective is supervised"),
        ({"reverse": 0.0}, "reverse is set, but --objective is supervised"),
        ({"name": "byol", "moco": MoCoConfig(queue=5)}, "moco is set, but --objective is byol"),
    ],
)
def test_impossible_settings(values: dict[str, Any], match: str) -> None:
    with pytest.raises(UserError, match=match):
        ObjectiveConfig(**values).check(mixing=False)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (partial(MoCoConfig, queue=0), "moco.queue is 0"),
        (partial(SimCLRConfig, temperature=-1.0), "simclr.temperature is -1.0"),
        (partial(BYOLConfig, hidden=0), "byol.hidden is 0"),
    ],
)
def test_impossible_settings_of_an_objective(settings: Callable[[], object], match: str) -> None:
    with pytest.raises(UserError, match=match):
        settings()


@pytest.mark.parametrize("values", [{"name": "moco"}, {"aux_mask": 1.0}, {"aux_curve": 0.1}])
def test_mixing_is_for_labels_alone(values: dict[str, Any]) -> None:
    ObjectiveConfig().check(mixing=True)
    ObjectiveConfig(**values).check(mixing=False)
    with pytest.raises(UserError, match="mixup and cutmix mix labels"):
        ObjectiveConfig(**values).check(mixing=True)


def test_what_the_stream_has_to_give() -> None:
    plain, moco = ObjectiveConfig(), ObjectiveConfig(name="moco", reverse=0.25, key_strength=0.5, aux_mask=1)
    assert (plain.views, plain.second, plain.masks) == (1, None, False)
    assert (moco.views, moco.second, moco.masks) == (2, SecondView(0.25, 0.5), True)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_follow_from_the_seed(name: str, bank: ClassBank) -> None:
    config = ObjectiveConfig(name=name)  # type: ignore[arg-type]  # one of them
    state = torch.get_rng_state()
    first, again, other = (build_objective(config, "r3d_10", bank, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert equal_state(first, again)
    assert not equal_state(first, other)
    network = build_model("r3d_10", len(bank), seed=1) if name == "supervised" else backbone("r3d_10", seed=1)
    assert equal_state(first.backbone, network)
    headed = build_objective(ObjectiveConfig(name=name, aux_mask=1, aux_curve=1), "r3d_10", bank, seed=1)  # type: ignore[arg-type]  # likewise
    kept = {key.removeprefix("main."): v for key, v in headed.state_dict().items() if key.startswith("main.")}
    assert kept.keys() == first.state_dict().keys()
    assert all(torch.equal(kept[key], value) for key, value in first.state_dict().items())


def test_what_is_built(bank: ClassBank) -> None:
    kinds = {"supervised": Supervised, "moco": MoCo, "simclr": SimCLR, "byol": BYOL}
    for name, kind in kinds.items():
        config = ObjectiveConfig(name=name)  # type: ignore[arg-type]  # one of them
        assert type(build_objective(config, "r3d_10", bank, seed=0)) is kind
    config = ObjectiveConfig(name="moco", moco=MoCoConfig(queue=24, dim=12))
    moco = build_objective(config, "r3d_10", bank, seed=0)
    assert isinstance(moco, MoCo)
    assert moco.queue.shape == (24, 12)


def test_curves_of_banks_without_any_are_refused() -> None:
    with pytest.raises(UserError, match="classes of shapes have no interpolation curves"):
        build_objective(ObjectiveConfig(aux_curve=1), "r3d_10", sample_bank(3, kind="shapes", seed=0), seed=0)


@pytest.mark.parametrize("name", NAMES)
def test_batches_of_the_stream_train_everything(name: str, bank: ClassBank) -> None:
    config = ObjectiveConfig(name=name, aux_mask=1, aux_curve=1)  # type: ignore[arg-type]  # one of them
    clips = StreamConfig(clip_len=4, size=32, points=500, masks=config.masks)
    options: dict[str, Any] = {"views": config.views, "second": config.second}
    stream = iter(FractalStream(bank, batch_size=2, seed=0, config=clips, **options))
    objective = build_objective(config, "r3d_10", bank, seed=0).train()
    objective(next(stream))  # MoCo's queue is empty before
    outcome = objective(next(stream))
    outcome.loss.backward()
    assert outcome.loss.isfinite()
    assert {"main_loss", "mask_loss", "mask_iou", "curve_loss"} <= set(outcome.parts)
    assert (outcome.logits is None) == (name != "supervised")
    assert all(p.grad is not None for p in objective.parameters() if p.requires_grad)


def test_a_projector_lies_before_the_head_and_leaves_the_network_as_it_was(bank: ClassBank) -> None:
    plain = build_objective(ObjectiveConfig(), "r3d_10", bank, seed=3).backbone
    built = build_objective(ObjectiveConfig(projector=3), "r3d_10", bank, seed=3).backbone
    own, with_projector = plain.state_dict(), built.state_dict()
    for name, value in own.items():
        if not name.startswith("fc."):
            assert torch.equal(value, with_projector[name]), name
    shapes = [tuple(value.shape) for name, value in with_projector.items() if name.endswith("weight") and "fc" in name]
    width = own["fc.weight"].shape[1]
    linear = [(4 * width, width), (4 * width, 4 * width), (width, 4 * width), (len(bank), width)]
    assert [shape for shape in shapes if len(shape) == 2] == linear
    assert built(torch.zeros(2, 3, 8, 32, 32)).shape == (2, len(bank))


def test_a_projector_is_for_labels_alone() -> None:
    with pytest.raises(UserError, match="projector"):
        ObjectiveConfig(name="moco", projector=2).check(mixing=False)
    with pytest.raises(UserError, match="projector is 9"):
        ObjectiveConfig(projector=9)
