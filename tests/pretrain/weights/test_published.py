"""Published weights. No published file is at hand: state dicts of the same names stand for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import MobileNet_V2_Weights, ResNet18_Weights, ResNet50_Weights, resnet18, resnet50
from torchvision.models.video import S3D_Weights, mc3_18

from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.models import build_model, head_name
from fractalvid.pretrain.objectives.build import build_objective
from fractalvid.pretrain.objectives.config import ObjectiveConfig, ObjectiveName
from fractalvid.pretrain.weights.cards import Card, save_weights
from fractalvid.pretrain.weights.initial import load_initial, parse_initial
from fractalvid.pretrain.weights.published import (
    load_published,
    normalisation,
    published_state,
    with_imagenet,
    with_kinetics,
)
from fractalvid.utils.errors import UserError
from tests.pretrain.networks import drawn
from tests.pretrain.weights.published_networks import FlatBlock, FlatMobileNetV2, SlowFastX3D, tsm_state

VIDEO = torch.rand(3, 3, 4, 32, 32, generator=torch.Generator().manual_seed(0))
FRAMES = VIDEO.transpose(1, 2).flatten(0, 1)


class Hub:
    """Stands for torch.hub: gives `state`, and remembers what it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: Mapping[str, Tensor] | None) -> None:
        self.state, self.asked = state, list[str]()
        monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", self)

    def __call__(self, url: str, *_args: object, **_options: object) -> dict[str, Tensor]:
        self.asked.append(url)
        if self.state is None:
            raise URLError("no route")
        return dict(self.state)


def test_imagenet_weights_go_into_networks_of_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = drawn(resnet18(num_classes=1000), FRAMES)
    hub = Hub(monkeypatch, pictures.state_dict())
    model = build_model("tsn_r18", 7, seed=0).eval()
    report = load_published(model, "tsn_r18", "imagenet")
    assert hub.asked == [ResNet18_Weights.IMAGENET1K_V1.url]
    assert report.missing == ("fc.weight", "fc.bias") == report.unexpected
    model.load_state_dict(model.state_dict() | {k: v[:7] for k, v in pictures.fc.state_dict(prefix="fc.").items()})
    with torch.no_grad():
        torch.testing.assert_close(model(FRAMES.unsqueeze(2)), pictures(FRAMES)[:, :7], rtol=1e-4, atol=1e-4)


def test_imagenet_weights_are_inflated_for_i3d(monkeypatch: pytest.MonkeyPatch) -> None:
    state = resnet50().state_dict()
    hub = Hub(monkeypatch, {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")})
    model = build_model("i3d_r50", 7, seed=0)
    report = load_published(model, "i3d_r50", "imagenet")
    assert hub.asked == [ResNet50_Weights.IMAGENET1K_V1.url]
    assert {k for k in report.missing if "num_batches" not in k} == {"fc.weight", "fc.bias"}
    ours = model.state_dict()
    assert ours["conv1.weight"].shape == (64, 3, 5, 7, 7)
    torch.testing.assert_close(ours["conv1.weight"].sum(2), state["conv1.weight"])
    torch.testing.assert_close(ours["layer2.0.conv1.weight"][:, :, 1] * 3, state["layer2.0.conv1.weight"])
    assert torch.equal(ours["layer2.0.conv2.weight"][:, :, 0], state["layer2.0.conv2.weight"])


def test_mobilenet_weights_have_the_names_of_tsms(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(monkeypatch, build_model("tsm_mobilenet_v2", 1000, seed=3).state_dict())
    report = load_published(build_model("tsm_mobilenet_v2", 5, seed=0), "tsm_mobilenet_v2", "imagenet")
    assert hub.asked == [MobileNet_V2_Weights.IMAGENET1K_V1.url]
    assert report.missing == ("classifier.1.weight", "classifier.1.bias")


@pytest.mark.parametrize("name", ["mc3_18", "s3d"])
def test_kinetics_weights(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = build_model(name, 400, seed=1).state_dict()
    Hub(monkeypatch, theirs)
    model = build_model(name, 6, seed=0)
    report = load_published(model, name, "kinetics")
    assert {k.split(".")[0] for k in report.missing} == {head_name(name)} and len(report.missing) == 2
    assert all(torch.equal(model.state_dict()[k], theirs[k]) for k in report.matched)


def test_what_is_published_for_which_network() -> None:
    assert with_kinetics() == ["r3d_18", "mc3_18", "r2plus1d_18", "s3d"]
    assert with_imagenet() == ["i3d_r50", "tsn_r18", "tsn_r50", "tsm_r50", "tsm_mobilenet_v2"]
    assert normalisation("s3d", "kinetics")[0] == tuple(S3D_Weights.KINETICS400_V1.transforms().mean)
    assert normalisation("i3d_r50", "imagenet") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert normalisation("x3d_m", "x3d_m.pyth") == ((0.45,) * 3, (0.225,) * 3)
    with pytest.raises(UserError, match="no kinetics weights for tsm_r50; it has them for r3d_18, mc3_18"):
        published_state("tsm_r50", "kinetics")
    with pytest.raises(UserError, match="no imagenet weights for r3d_10"):
        published_state("r3d_10", "imagenet")
    assert normalisation("mc3_18", "mc3_18.pth") == normalisation("mc3_18", "kinetics")
    assert normalisation("tsn_r18", "a.pth") == normalisation("tsn_r18", "imagenet")
    assert normalisation("r3d_10", "a.pth") == ((0.0,) * 3, (1.0,) * 3)
    with pytest.raises(UserError, match=r"there is no file r3d_18\.pth"):
        published_state("r3d_18", "r3d_18.pth")


def test_weights_that_cannot_be_downloaded_say_where_to_put_them(monkeypatch: pytest.MonkeyPatch) -> None:
    Hub(monkeypatch, None)
    with pytest.raises(UserError, match=r"ImageNet weights .*resnet50-0676ba61\.pth into .*checkpoints yourself"):
        published_state("tsm_r50", "imagenet")


def saved(path: Path, **content: Any) -> str:
    torch.save({"epoch": 50, **content}, path)
    return str(path)


def test_the_authors_tsm_mobilenet_file_gives_their_network(tmp_path: Path) -> None:
    theirs = drawn(FlatMobileNetV2(5), FRAMES)
    file = saved(tmp_path / "tsm.pth", state_dict=tsm_state(theirs, "classifier"))
    ours = build_model("tsm_mobilenet_v2", 5, seed=0).eval()
    ours.load_state_dict(published_state("tsm_mobilenet_v2", file))  # strict: every name, nothing else
    with torch.no_grad():
        stills = FRAMES.unsqueeze(2)
        for block in theirs.modules():  # a shift moves zeros into a clip of one frame
            if isinstance(block, FlatBlock) and block.shortcut:
                block.conv[0].register_forward_pre_hook(lambda _module, args: without_a_quarter(args[0]))
        torch.testing.assert_close(ours(stills), theirs(FRAMES), rtol=1e-4, atol=1e-4)


def without_a_quarter(x: Tensor) -> Tensor:
    count = 2 * (x.shape[1] // 8)
    return torch.cat((torch.zeros_like(x[:, :count]), x[:, count:]), dim=1)


def test_the_authors_x3d_file_gives_their_network(tmp_path: Path) -> None:
    theirs = drawn(SlowFastX3D(5), VIDEO)
    file = saved(tmp_path / "x3d_m.pyth", model_state=theirs.state_dict(), cfg="X3D:\n  DIM_C5: 2048\n")
    ours = build_model("x3d_m", 5, seed=0).eval()
    ours.load_state_dict(published_state("x3d_m", file))
    with torch.no_grad():
        torch.testing.assert_close(ours(VIDEO), theirs(VIDEO), rtol=1e-4, atol=1e-4)


def test_the_authors_resnet_files_tell_shifts_from_none(tmp_path: Path) -> None:
    pictures = resnet50(num_classes=400)
    tsn = saved(tmp_path / "tsn.pth", state_dict=tsm_state(pictures, "fc", shifts=False))
    tsm = saved(tmp_path / "tsm.pth", state_dict=tsm_state(pictures, "fc"))
    for name, file, other, other_name in [("tsn_r50", tsn, tsm, "tsm_r50"), ("tsm_r50", tsm, tsn, "tsn_r50")]:
        assert parse_initial(file).model == name
        read = published_state(name, file)
        assert read.keys() == pictures.state_dict().keys()
        assert all(torch.equal(read[k], v) for k, v in pictures.state_dict().items())
        model = build_model(name, 3, seed=0)
        assert load_published(model, name, file).missing == ("fc.weight", "fc.bias")
        with pytest.raises(UserError, match=rf"do not fit {name}: .*16 missing .*those of {other_name}: say"):
            load_published(model, name, other)


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no file .*absent\.pth"):
        published_state("tsm_r50", str(tmp_path / "absent.pth"))
    for name, content in [("bytes.pth", b"rubbish"), ("empty.pth", b"")]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="can't be read"):
            published_state("tsm_r50", str(tmp_path / name))
    torch.save({"state_dict": nn.Linear(2, 2)}, tmp_path / "code.pth")
    with pytest.raises(
        UserError, match=r"more than tensors and plain values, such as a torch\.nn\.modules\.linear\.Linear"
    ):
        published_state("tsm_r50", str(tmp_path / "code.pth"))
    others: list[object] = [torch.zeros(2), {"model": {}}, {"state_dict": {"a": 1}}, {3: torch.zeros(2)}]
    for other in others:
        torch.save(other, tmp_path / "other.pth")
        with pytest.raises(UserError, match="holds no tensors by name"):
            published_state("tsm_r50", str(tmp_path / "other.pth"))


def test_initial_weights_of_pretraining(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Hub(monkeypatch, mc3_18(num_classes=400).state_dict())

    def missing(network: nn.Module, init: str) -> set[str]:
        report = load_initial(network, "mc3_18", parse_initial(init, "mc3_18"))
        return set() if report is None else set(report.missing)

    model = build_model("mc3_18", 3, seed=0)
    for init in ("kinetics", "kinetics:mc3_18", "real=kinetics"):
        assert missing(model, init) == {"fc.weight", "fc.bias"}
    save_weights(tmp_path / "w.safetensors", model, Card("mc3_18", 3, 8, 32, 1, None, None, 0, 1))
    other = build_model("mc3_18", 9, seed=1)
    assert missing(other, str(tmp_path / "w.safetensors")) == {"fc.weight", "fc.bias"}
    assert torch.equal(other.state_dict()["stem.0.weight"], model.state_dict()["stem.0.weight"])
    assert missing(other, "scratch") == set()
    with pytest.raises(UserError, match=r"there is no file tsm\.pth"):
        missing(other, "tsm.pth")
    with pytest.raises(UserError, match="no weights at"):
        missing(other, str(tmp_path / "absent"))
    with pytest.raises(UserError, match="the weights of 's3d' are not for mc3_18"):
        missing(other, "kinetics:s3d")


def test_objectives_begin_with_initial_weights(tmp_path: Path) -> None:
    bank = ClassBank.sample(4, seed=0)
    theirs = build_model("r3d_10", 3, seed=5)
    save_weights(tmp_path / "w.safetensors", theirs, Card("r3d_10", 3, 8, 32, 1, None, None, 0, 1))
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}
    names: tuple[ObjectiveName, ...] = ("supervised", "moco")
    for name in names:
        objective = build_objective(
            ObjectiveConfig(name=name), "r3d_10", bank, seed=0, init=str(tmp_path / "w.safetensors")
        )
        own = objective.state_dict()
        copies = {k.rpartition("stem.0.weight")[0] for k in own if k.endswith("stem.0.weight")}
        assert len(copies) == (1 if name == "supervised" else 2)  # the encoder of keys starts as that of queries
        for prefix in copies:
            assert all(torch.equal(own[prefix + k], v) for k, v in state.items())
    with pytest.raises(UserError, match="no kinetics weights for r3d_10"):
        build_objective(ObjectiveConfig(), "r3d_10", bank, seed=0, init="kinetics")
