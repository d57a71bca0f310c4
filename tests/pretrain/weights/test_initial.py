"""What `--init` says, and networks that begin so."""

from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torchvision.models import resnet50
from torchvision.models.video import R3D_18_Weights, r3d_18

from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.cards import Card, save_weights
from fractalvid.pretrain.weights.initial import build_initial, parse_initial
from fractalvid.utils.errors import UserError
from tests.pretrain.weights.published_networks import SlowFastX3D

KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
"""What torchvision subtracts from values in [0, 1] for its weights of Kinetics-400."""


def weights(folder: Path, *, model: str = "r3d_10", seed: int = 1, mean: tuple[float, ...] | None = None) -> Path:
    folder.mkdir(parents=True)
    card = Card(model, 5, 6, 24, 2, mean, mean, seed, 1)
    save_weights(folder / "weights.safetensors", build_model(model, 5, seed=seed), card)
    return folder / "weights.safetensors"


def test_weights_bring_their_network_clip_and_normalisation(tmp_path: Path) -> None:
    file = weights(tmp_path / "fractal", mean=(0.2,))
    init = parse_initial(str(file))
    assert (init.label, init.kind, init.model, init.clip_len, init.size) == (
        "fractal",
        "weights",
        "r3d_10",
        6,
        24,
    )
    assert init.mean == (0.2, 0.2, 0.2)
    assert parse_initial(str(file.parent)).sha256 == init.sha256
    assert parse_initial(f"best={file}").label == "best"
    assert parse_initial(str(weights(tmp_path / "plain"))).mean == (0.0, 0.0, 0.0)


def test_a_path_with_an_equals_sign_is_a_path(tmp_path: Path) -> None:
    assert parse_initial(str(weights(tmp_path / "lr=1"))).label == "lr=1"


@pytest.mark.parametrize("text", ["scrtch", "a=/absent/file.safetensors", "=scratch"])
def test_unknown_initialisations_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--init"):
        parse_initial(text)


def test_weights_without_a_card_are_taken_for_those_of_others(tmp_path: Path) -> None:
    file = weights(tmp_path / "w")
    file.with_suffix(".json").unlink()
    init = parse_initial(str(file))
    assert (init.label, init.kind, init.model, init.clip_len, init.mean) == ("w", "checkpoint", "r3d_10", 8, (0.0,) * 3)
    told = build_initial("r3d_10", 3, init, seed=0)[1]
    assert "without a card, clips of 8 x 64 x 64, mean 0 0 0 and deviation 1 1 1 are assumed" in told


def test_the_backbone_is_the_weights_and_the_head_is_new(tmp_path: Path) -> None:
    init = parse_initial(str(weights(tmp_path / "w")))
    network, loaded = build_initial("r3d_10", 3, init, seed=9)
    old = build_model("r3d_10", 5, seed=1).state_dict()
    for name, value in network.state_dict().items():
        if name.startswith("fc."):
            assert value.shape[0] == 3
        else:
            assert torch.equal(value, old[name])
    assert "fc.weight" in loaded
    other, _ = build_initial("r3d_10", 3, init, seed=10)
    assert not torch.equal(network.state_dict()["fc.weight"], other.state_dict()["fc.weight"])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    init = parse_initial(str(weights(tmp_path / "w")))
    with pytest.raises(UserError, match="do not fit"):
        build_initial("r3d_18", 3, init, seed=0)


def test_kinetics_weights_go_through_torch_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    # A synthetic state dict of the published shape (400 classes) stands for the file: nothing is downloaded.
    state = r3d_18(num_classes=400).state_dict()
    asked: list[str] = []

    def hub(url: str, *args: object, **kwargs: object) -> dict[str, torch.Tensor]:
        asked.append(url)
        return dict(state)

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", hub)
    init = parse_initial("kinetics")
    assert (init.model, init.clip_len, init.size, init.mean) == ("r3d_18", 16, 112, KINETICS_MEAN)
    network, _ = build_initial("r3d_18", 7, init, seed=0)
    assert asked == [R3D_18_Weights.KINETICS400_V1.url]
    assert torch.equal(network.state_dict()["layer4.1.conv2.0.weight"], state["layer4.1.conv2.0.weight"])
    assert network.state_dict()["fc.weight"].shape == (7, 512)


def test_weights_of_others_name_their_network(tmp_path: Path) -> None:
    init = parse_initial("kinetics:s3d")
    assert (init.label, init.kind, init.model, init.clip_len, init.size) == ("kinetics", "kinetics", "s3d", 16, 224)
    init = parse_initial("real=imagenet:tsm_r50")
    assert (init.label, init.kind, init.model, init.clip_len, init.size) == ("real", "imagenet", "tsm_r50", 8, 224)
    assert init.mean == (0.485, 0.456, 0.406)
    file = tmp_path / "x3d_m.pyth"
    torch.save({"model_state": SlowFastX3D(400).state_dict()}, file)
    init = parse_initial(f"{file}:x3d_m")
    assert (init.label, init.kind, init.path, init.clip_len) == ("x3d_m", "checkpoint", str(file), 16)
    assert init.std == (0.225, 0.225, 0.225)
    torch.save({"model_state": SlowFastX3D(400).state_dict()}, file)
    assert parse_initial(f"a={file}:x3d_m").sha256 not in (None, init.sha256)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("imagenet", r"which network\? say imagenet:i3d_r50 or imagenet:tsn_r18 or"),
        ("kinetics:s3dd", "no architecture is called 's3dd'; did you mean s3d"),
        ("kinetics:x3d_s", "torchvision has no kinetics weights for x3d_s; it has them for r3d_18, mc3_18"),
        ("imagenet:r3d_18", "torchvision has no imagenet weights for r3d_18"),
        ("x.pth:r3d_18", "there is no file x.pth"),
        ("", "nothing is named to start from"),
        ("x.pth:tsm_r50", "there is no file x.pth"),
        (":tsm_r50", "there is no file"),
        ("kinetics:", "no architecture is called ''"),
    ],
)
def test_weights_that_do_not_exist_are_refused_before_anything_is_read(text: str, told: str) -> None:
    with pytest.raises(UserError, match=f"^--init '{text}': .*{told}"):
        parse_initial(text)


def test_a_checkpoint_of_others_has_to_name_its_network(tmp_path: Path) -> None:
    (tmp_path / "tsm.pth").write_bytes(b"")
    with pytest.raises(UserError, match=r"^--init '.*tsm\.pth:tsm_r50': the weights .* can't be read"):
        parse_initial(f"{tmp_path / 'tsm.pth'}:tsm_r50")
    torch.save(resnet50(num_classes=3).state_dict(), tmp_path / "tsm.pth")
    with pytest.raises(UserError, match=r"of which network\? say .*tsm\.pth:tsn_r50 or .*tsm\.pth:tsm_r50$"):
        parse_initial(str(tmp_path / "tsm.pth"))
    assert parse_initial(str(tmp_path / "tsm.pth"), "tsm_r50").model == "tsm_r50"


def test_networks_start_from_weights_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = build_model("tsm_mobilenet_v2", 1000, seed=1).state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_args, **_options: dict(theirs))
    network, told = build_initial("tsm_mobilenet_v2", 4, parse_initial("imagenet:tsm_mobilenet_v2"), seed=0)
    assert "newly initialised: classifier.1.weight, classifier.1.bias" in told
    assert torch.equal(network.state_dict()["features.18.0.weight"], theirs["features.18.0.weight"])
    file = tmp_path / "x3d_s.pyth"
    torch.save({"model_state": SlowFastX3D(400).state_dict()}, file)
    network, told = build_initial("x3d_s", 4, parse_initial(f"{file}:x3d_s"), seed=0)
    assert "newly initialised: fc.weight, fc.bias; not used: fc.weight, fc.bias; without a card" in told


def test_kinetics_weights_that_cannot_be_had_say_where_to_put_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def hub(*args: object, **kwargs: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", hub)
    with pytest.raises(UserError, match=r"r3d_18-b3b3357e\.pth into .*checkpoints yourself"):
        build_initial("r3d_18", 7, parse_initial("kinetics"), seed=0)


@pytest.mark.parametrize("text", ["a/b=scratch", "..=scratch"])
def test_labels_name_folders(text: str) -> None:
    with pytest.raises(UserError, match="cannot be the name of a folder"):
        parse_initial(text)
