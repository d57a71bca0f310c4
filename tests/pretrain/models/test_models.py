from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.models.video import r3d_18

from fractalvid.pretrain.models import ARCHITECTURES, backbone, build_model, check_clip, feature_dim, head_name
from fractalvid.pretrain.weights.loading import load_backbone_state
from fractalvid.utils.errors import UserError

SMALL = [name for name, row in ARCHITECTURES.items() if row.least_size <= 16]


@pytest.fixture(autouse=True)
def _the_same_clips_in_any_order() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", SMALL)
def test_logits_of_small_and_odd_clips(name: str) -> None:
    model, least = build_model(name, 7, seed=0).eval(), ARCHITECTURES[name].least_clip_len
    with torch.no_grad():
        for shape in [(1, 3, least, 16, 16), (2, 3, 5, 32, 48)]:
            assert model(torch.rand(shape)).shape == (shape[0], 7)


def logits_shape(name: str, clip_len: int, size: int) -> tuple[int, ...]:
    """Of two clips and five classes, without computing anything."""
    with torch.device("meta"):
        network = ARCHITECTURES[name].build(5).eval()
        return tuple(network(torch.empty(2, 3, clip_len, size, size)).shape)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_published_and_the_least_clip_are_possible(name: str) -> None:
    row = ARCHITECTURES[name]
    for clip_len, size in [(row.clip_len, row.size), (row.least_clip_len, row.least_size)]:
        check_clip(name, clip_len, size)
        assert logits_shape(name, clip_len, size) == (2, 5)


def test_clips_below_the_least_are_refused_in_one_line_and_do_fail() -> None:
    for clip_len, size in [(12, 224), (16, 208)]:
        with pytest.raises(UserError, match=r"^s3d needs .* 13 x 209 x 209, not .*--clip-len 16 --size 224$"):
            check_clip("s3d", clip_len, size)
        with pytest.raises(RuntimeError):
            logits_shape("s3d", clip_len, size)
    with pytest.raises(UserError, match="i3d_r50 needs clips of at least 2 x 16 x 16, not 1 x 112 x 112"):
        check_clip("i3d_r50", 1, 112)
    with pytest.raises(RuntimeError):
        logits_shape("i3d_r50", 1, 112)
    with pytest.raises(UserError, match="did you mean x3d_s"):
        check_clip("x3ds", 13, 160)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_backbone_is_the_network_without_its_head(name: str) -> None:
    row, head, dim = ARCHITECTURES[name], head_name(name), feature_dim(name)
    with torch.device("meta"):
        features, whole = backbone(name, seed=0).eval(), build_model(name, 3, seed=0)
        video = torch.empty(2, 3, row.least_clip_len, row.least_size, row.least_size)
        assert features(video).shape == (2, dim)
    shapes = {k: v.shape for k, v in whole.state_dict().items()}
    in_head = {k for k in shapes if k.startswith(head + ".")}
    assert {k: v.shape for k, v in features.state_dict().items()} == {k: shapes[k] for k in shapes if k not in in_head}
    assert in_head == {f"{head}.{k}" for k, _ in getattr(whole, head).named_parameters()}
    assert {tuple(shapes[k][:2]) for k in in_head} == {(3, dim), (3,)}  # a linear layer, or a kernel of 1 x 1 x 1


@pytest.mark.parametrize("name", ["mc3_18", "i3d_r50", "tsn_r18", "tsm_mobilenet_v2", "x3d_s", "r3d_10", "rmc3_10"])
def test_weights_of_a_network_are_those_of_its_backbone_and_a_linear_head(name: str) -> None:
    whole, features = build_model(name, 3, seed=3).eval(), backbone(name, seed=4).eval()
    report = load_backbone_state(features, whole.state_dict(), head=head_name(name), source="a network")
    assert not report.missing and {k.split(".")[0] for k in report.unexpected} == {head_name(name)}
    video = torch.rand(2, 3, 4, 32, 32)
    with torch.no_grad():
        logits = getattr(whole, head_name(name))(features(video))
        torch.testing.assert_close(logits, whole(video), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["i3d_r50", "tsm_mobilenet_v2", "x3d_s", "tsn_r18"])
def test_every_parameter_learns(name: str) -> None:
    model = build_model(name, 3, seed=0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.ones_(module.weight)  # a block that begins as its shortcut passes nothing on to its inside
    loss = nn.functional.cross_entropy(model(torch.rand(2, 3, 4, 32, 32)), torch.tensor([0, 1]))
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter in model.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all()


def test_r3d_18_is_torchvisions() -> None:
    ours, theirs = build_model("r3d_18", 400, seed=0), r3d_18(weights=None)
    assert type(ours) is type(theirs)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}


@pytest.mark.parametrize("name", ["r3d_10", "rmc3_10"])
def test_names_and_widths_of_small_networks(name: str) -> None:
    model, large = build_model(name, 5, seed=0), r3d_18(weights=None)
    names = set(model.state_dict())
    assert names <= set(large.state_dict())
    assert {name.split(".")[0] for name in names} == {"stem", "layer1", "layer2", "layer3", "layer4", "fc"}
    widths = [model.state_dict()[f"layer{k}.0.conv2.0.weight"].shape[0] for k in (1, 2, 3, 4)]
    assert widths == [32, 64, 128, 256]
    assert model.state_dict()["fc.weight"].shape == (5, 256)


def test_rmc3_10_sees_frames_one_by_one_up_to_its_first_stage_and_time_after_it() -> None:
    network: Any = build_model("rmc3_10", 5, seed=0).eval()
    clip = torch.rand(1, 3, 8, 32, 32)
    other = clip.clone()
    other[:, :, 3] = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        below = [network.layer1(network.stem(video)) for video in (clip, other)]
        above = [network.layer2(x) for x in below]
    assert below[0].shape == (1, 32, 8, 8, 8)
    assert torch.equal(below[0][:, :, :3], below[1][:, :, :3]) and torch.equal(below[0][:, :, 4:], below[1][:, :, 4:])
    assert not torch.equal(below[0][:, :, 3], below[1][:, :, 3])
    assert above[0].shape == (1, 64, 4, 4, 4)
    assert ((above[0] != above[1]).any(1).sum((2, 3)) > 0).sum() > 1  # the change has spread over time


@pytest.mark.parametrize("name", ["r3d_10", "tsm_mobilenet_v2", "x3d_s"])
def test_the_seed_determines_the_parameters_and_nothing_else(name: str) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    a, b, c = (build_model(name, 3, seed=seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not any(torch.equal(a[k], c[k]) for k in a if a[k].ndim > 1)


def test_blocks_that_are_published_to_begin_as_their_shortcuts_do() -> None:
    i3d, x3d = build_model("i3d_r50", 3, seed=0), build_model("x3d_m", 3, seed=0)
    for state, last in [(i3d.state_dict(), "bn3.weight"), (x3d.state_dict(), "conv3.1.weight")]:
        gammas = [v for k, v in state.items() if k.endswith(last)]
        assert len(gammas) in (16, 26) and all((v == 0).all() for v in gammas)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_short_runs_settle_the_statistics_that_tests_use(name: str) -> None:
    norms = [module for module in build_model(name, 2, seed=0).modules() if isinstance(module, _BatchNorm)]
    assert norms
    assert all(norm.momentum is not None and norm.momentum >= 0.1 for norm in norms)


def test_unknown_architectures_name_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean r3d_18"):
        build_model("r3d18", 3, seed=0)
    with pytest.raises(UserError, match="at least 1 class"):
        build_model("r3d_10", 0, seed=0)
