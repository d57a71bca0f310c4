"""How the last layers of the networks start."""

from torch import nn


def init_head(head: nn.Linear) -> None:
    """As torchvision starts the heads of its video networks: small, so that all classes begin equal."""
    nn.init.normal_(head.weight, 0.0, 0.01)
    nn.init.zeros_(head.bias)
