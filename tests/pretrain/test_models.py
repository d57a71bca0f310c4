import pytest
import torch
from torchvision.models.video import r3d_18

from fractalvid.errors import UserError
from pretrain.models import ARCHITECTURES, build_model


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_of_small_and_odd_clips(name: str) -> None:
    model = build_model(name, 7, seed=0).eval()
    with torch.no_grad():
        for shape in [(1, 3, 1, 16, 16), (2, 3, 4, 32, 48)]:
            assert model(torch.rand(shape)).shape == (shape[0], 7)


def test_r3d_18_is_torchvisions() -> None:
    ours, theirs = build_model("r3d_18", 400, seed=0), r3d_18(weights=None)
    assert type(ours) is type(theirs)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}


def test_r3d_10_names_and_widths() -> None:
    model, large = build_model("r3d_10", 5, seed=0), r3d_18(weights=None)
    names = set(model.state_dict())
    assert names <= set(large.state_dict())
    assert {name.split(".")[0] for name in names} == {"stem", "layer1", "layer2", "layer3", "layer4", "fc"}
    widths = [model.state_dict()[f"layer{k}.0.conv2.0.weight"].shape[0] for k in (1, 2, 3, 4)]
    assert widths == [32, 64, 128, 256]
    assert model.state_dict()["fc.weight"].shape == (5, 256)


def test_the_seed_determines_the_parameters_and_nothing_else() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    a, b, c = (build_model("r3d_10", 3, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(a.state_dict()["stem.0.weight"], b.state_dict()["stem.0.weight"])
    assert not torch.equal(a.state_dict()["stem.0.weight"], c.state_dict()["stem.0.weight"])


def test_unknown_architectures_name_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean r3d_18"):
        build_model("r3d18", 3, seed=0)
    with pytest.raises(UserError, match="at least 1 class"):
        build_model("r3d_10", 0, seed=0)
