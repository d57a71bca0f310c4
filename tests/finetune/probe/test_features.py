"""Features of a probe: statistics kept and settled, and what is kept on disk."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fractalvid.finetune.clips.augment import to_network
from fractalvid.finetune.clips.config import FrameConfig, ViewConfig
from fractalvid.finetune.clips.settling import settle
from fractalvid.finetune.probe.features import Views, features_of
from fractalvid.finetune.probe.kept import load_features, network_digest, save_features
from fractalvid.finetune.targets.base import Video
from fractalvid.pretrain.machine import resolve_precision
from fractalvid.pretrain.models import build_model, stage_features, stage_names
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import ArrayStore, video

VIEW = ViewConfig(FrameConfig(2, 2), 16, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2), views=2, crops=1)
FP32 = resolve_precision("fp32", torch.device("cpu"))


def views(count: int, memory: int = 0) -> Views:
    paths = [f"{k}.avi" for k in range(count)]
    store = ArrayStore({path: video(6, level=20 * k) for k, path in enumerate(paths)})
    store.memory.limit_bytes = memory
    return Views([Video(path, 0, "train") for path in paths], store, VIEW, 2, [])


@pytest.fixture
def network() -> nn.Module:
    made = build_model("r3d_10", 3, seed=0)
    for norm in made.modules():
        if isinstance(norm, nn.BatchNorm3d) and norm.running_mean is not None:
            nn.init.uniform_(norm.running_mean, -0.1, 0.1)
    return made


def test_features_are_the_means_over_views_of_either_statistics(network: nn.Module) -> None:
    before = {name: values.clone() for name, values in network.state_dict().items()}
    some, settling = views(20), views(6)
    found = features_of(network, "r3d_10", some, settling, FP32)
    assert all(torch.equal(before[name], values) for name, values in network.state_dict().items())
    assert set(found) == {(s, stage) for s in ("kept", "settled") for stage in stage_names("r3d_10")}
    clips = [to_network(batch, VIEW.mean, VIEW.std) for batch in some]
    with torch.no_grad():
        for statistics in ("kept", "settled"):
            network.eval()
            if statistics == "settled":
                settle(network, [to_network(batch, VIEW.mean, VIEW.std) for batch in settling])
            each = [stage_features(network, "r3d_10", batch) for batch in clips]
            for stage in stage_names("r3d_10"):
                expected = torch.cat([part[stage] for part in each]).view(20, 2, -1).mean(1)
                np.testing.assert_allclose(found[statistics, stage], expected, rtol=1e-3, atol=1e-3)
    assert not np.allclose(found["kept", "stage4"], found["settled", "stage4"])


def test_settled_statistics_are_those_of_the_clips(network: nn.Module) -> None:
    clips = torch.rand(12, 3, 2, 16, 16)
    state = torch.get_rng_state()
    settle(network.eval(), [clips[:6], clips[6:]])
    assert torch.equal(state, torch.get_rng_state())
    assert not network.training
    norm, conv = network.get_submodule("stem.1"), network.get_submodule("stem.0")
    assert isinstance(norm, nn.BatchNorm3d)
    torch.testing.assert_close(norm.running_mean, conv(clips).mean((0, 2, 3, 4)), rtol=1e-4, atol=1e-5)


def test_views_are_kept_where_they_fit() -> None:
    for memory, kept in ((0, 0), (10**9, 2)):
        some = views(20, memory)
        first, second = list(some), list(some)
        assert len(some.kept) == kept
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        assert torch.cat(first).shape == (40, 2, 16, 16, 3)


def test_weights_of_a_training_that_diverged_are_named(network: nn.Module) -> None:
    with torch.no_grad():
        network.get_parameter("stem.1.weight").fill_(torch.nan)
    with pytest.raises(UserError, match="features are not finite"):
        features_of(network, "r3d_10", views(2), views(2), FP32)


def test_features_are_kept_and_damage_is_noticed(network: nn.Module, tmp_path: Path) -> None:
    found = features_of(network, "r3d_10", views(3), views(2), FP32)
    path = tmp_path / "f.npz"
    assert load_features(path, "r3d_10") is None
    save_features(path, found)
    read = load_features(path, "r3d_10")
    assert read is not None
    assert all((read[key] == values).all() for key, values in found.items())
    path.write_bytes(path.read_bytes()[:-300])
    assert load_features(path, "r3d_10") is None


def test_a_network_is_known_by_all_but_its_head() -> None:
    one, other = build_model("r3d_10", 3, seed=0), build_model("r3d_10", 3, seed=0)
    nn.init.zeros_(other.fc.weight)  # type: ignore[arg-type, union-attr]
    assert network_digest(one, "r3d_10") == network_digest(other, "r3d_10")
    other.get_buffer("stem.1.running_mean").copy_(torch.ones(32))
    assert network_digest(one, "r3d_10") != network_digest(other, "r3d_10")
