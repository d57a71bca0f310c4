"""Monitors of features: what they measure on features that are known, and on networks."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from fractalvid.core.camera import CameraConfig
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.models import backbone, build_model
from fractalvid.pretrain.monitors.config import MonitorConfig
from fractalvid.pretrain.monitors.features import headless
from fractalvid.pretrain.monitors.monitors import build_monitors, together
from fractalvid.pretrain.monitors.probes import linear_share, neighbour_share
from fractalvid.stream import StreamConfig
from fractalvid.utils.errors import UserError

STREAM = StreamConfig(clip_len=4, size=32, points=4000)


def clouds(classes: int, each: int, spread: float, dim: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Features around a point for each class, class by class in turn."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(classes, dim, generator=generator)
    target = torch.arange(classes * each) % classes
    return centres[target] + spread * torch.randn(len(target), dim, generator=generator), target


@pytest.mark.parametrize("measure", [neighbour_share, linear_share])
def test_what_is_apart_is_named(measure: object) -> None:
    assert callable(measure)
    features, target = clouds(5, 20, 0.1)
    assert measure(features[:50], target[:50], features[50:], target[50:]) == 1
    features, target = clouds(5, 200, 100.0)
    assert 0.1 < measure(features[:500], target[:500], features[500:], target[500:]) < 0.3  # chance is 0.2


def test_the_linear_probe_is_a_ridge_regression() -> None:
    features, target = clouds(3, 40, 1.5, dim=4)
    known, asked = features[:60].double(), features[60:].double()
    mean, deviation = known.mean(0), known.std(0)
    x, y = (known - mean) / deviation, (asked - mean) / deviation
    wanted = nn.functional.one_hot(target[:60], 3).double()
    wanted -= wanted.mean(0)
    primal = torch.linalg.solve(x.T @ x + 60**0.5 * torch.eye(4, dtype=torch.float64), x.T @ wanted)
    share = float(((y @ primal).argmax(1) == target[60:]).float().mean())
    assert linear_share(features[:60], target[:60], features[60:], target[60:]) == share
    assert 0.5 < share < 1


def test_more_features_than_clips() -> None:
    features, target = clouds(4, 6, 0.2, dim=300)
    assert linear_share(features[:12], target[:12], features[12:], target[12:]) == 1


def test_networks_are_measured_and_left_as_they_were() -> None:
    bank = sample_bank(6, seed=0)
    config = MonitorConfig(("knn", "linear", "motion"), monitor_classes=4, monitor_clips=6)
    monitors = build_monitors(config, bank, STREAM, head="fc", batch_size=8, threads=1)
    network = build_model("r3d_10", 6, seed=0).eval()
    with torch.no_grad():
        found = monitors(network)
        assert found == monitors(network)
    assert set(found) == {"heldout_knn", "heldout_linear", "motion_linear"}
    assert all(0 <= value <= 1 for value in found.values())
    assert found["heldout_linear"] > 0.3  # chance is 0.25, and these are easy
    assert isinstance(network.fc, nn.Linear)
    without = backbone("r3d_10", seed=0).eval()
    without.load_state_dict({name: value for name, value in network.state_dict().items() if not name.startswith("fc.")})
    with torch.no_grad():
        assert monitors(without) == found


def test_clips_are_made_ready_once(monkeypatch: pytest.MonkeyPatch) -> None:
    config = MonitorConfig(("knn", "crops", "motion"), monitor_classes=2, monitor_clips=2)
    monitors = build_monitors(config, sample_bank(3, seed=0), STREAM, head="fc", batch_size=8, threads=1)
    monkeypatch.setattr("fractalvid.pretrain.monitors.monitors.FractalStream", None)
    with torch.no_grad():
        found = monitors(Corner().eval())
        assert monitors(Corner().eval()) == found


def test_only_what_is_asked_for_is_measured() -> None:
    bank = sample_bank(6, kind="shapes", seed=0)
    monitors = build_monitors(
        MonitorConfig(("motion",), monitor_clips=4), bank, STREAM, head="fc", batch_size=8, threads=1
    )
    with torch.no_grad():
        assert list(monitors(build_model("r3d_10", 6, seed=0).eval())) == ["motion_linear"]


def test_cropped_clips_are_those_of_training() -> None:
    bank = sample_bank(6, seed=0)
    config = MonitorConfig(("crops",), monitor_classes=4, monitor_clips=6)

    def found(stream: StreamConfig) -> dict[str, float]:
        monitors = build_monitors(config, bank, stream, head="fc", batch_size=8, threads=1)
        with torch.no_grad():
            return monitors(Corner().eval())

    whole = replace(STREAM, camera=CameraConfig(crop_scale=(1, 1), crop_ratio=(1, 1), flip=0))
    plain, cropped = found(whole), found(replace(STREAM, camera=CameraConfig(crop_scale=(0.2, 0.3))))
    assert set(plain) == {"crops_knn", "crops_linear"}
    assert plain["crops_knn"] > cropped["crops_knn"]
    assert found(replace(whole, emulate="paper")) == plain  # type: ignore[arg-type]  # never emulated


class Corner(nn.Module):
    """Features that depend on where things are: what averages over squares of a frame show."""

    def __init__(self) -> None:
        super().__init__()
        self.fc: nn.Module = nn.Identity()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.fc(
            self.scale * nn.functional.adaptive_avg_pool3d(video[:, :1], (1, 6, 6)).flatten(1)
        )
        return features


def test_heads_come_back_after_an_error() -> None:
    network = build_model("r3d_10", 6, seed=0)
    with pytest.raises(RuntimeError), headless(network, "fc"):
        raise RuntimeError
    assert isinstance(network.fc, nn.Linear)


def test_measures_go_together() -> None:
    measure = together([lambda network: {"a": 1.0}, lambda network: {"b": 2.0}])
    assert measure(nn.Identity()) == {"a": 1.0, "b": 2.0}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"monitors": ("depth",)}, "monitors must be a tuple of some of knn, linear, motion"),
        ({"monitors": "knn"}, "monitors must be a tuple of some of knn, linear, motion"),
        ({"monitor_classes": 1}, "monitor-classes"),
        ({"monitor_clips": 1}, "monitor-clips"),
    ],
)
def test_what_can_not_be_measured_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        MonitorConfig(**settings)
