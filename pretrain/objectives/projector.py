"""Small networks from features to what a loss compares."""

from torch import nn


def mlp(features: int, hidden: int, out: int, *, norm: bool) -> nn.Sequential:
    """Two linear layers with a ReLU between, and BatchNorm before it if `norm`: (B, features) -> (B, out)."""
    layers: list[nn.Module] = [nn.Linear(features, hidden, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm1d(hidden))
    return nn.Sequential(*layers, nn.ReLU(inplace=True), nn.Linear(hidden, out))
