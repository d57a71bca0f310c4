"""How the last layers of the networks start."""

from torch import nn

from fractalvid.pretrain.models.table import architecture
from fractalvid.utils.errors import UserError


def init_head(head: nn.Linear) -> None:
    """As torchvision starts the heads of its video networks: small, so that all classes begin equal."""
    nn.init.normal_(head.weight, 0.0, 0.01)
    nn.init.zeros_(head.bias)


def put_projector(network: nn.Module, arch: str, layers: int) -> None:
    """Put an MLP before the linear head of a network, as part of it.

    Hidden layers are four times as wide as the features, with BatchNorm and ReLU; the last is as wide as the features,
    as in t-ReX (arXiv 2206.15369), and nothing follows it but the head.

    Args:
        network: of `build_model`.
        arch: its row of the table.
        layers: at least 1.

    Raises:
        UserError: the head takes maps, not features.
    """
    row, head = architecture(arch), getattr(network, architecture(arch).head)
    if any(isinstance(module, nn.Conv3d) for module in head.modules()):
        raise UserError(f"projector is {layers}: it stands before a linear head, and that of {arch} is a convolution")
    width, inner = row.feature_dim, 4 * row.feature_dim
    modules: list[nn.Module] = []
    for _ in range(layers - 1):
        modules += [nn.Linear(width, inner, bias=False), nn.BatchNorm1d(inner), nn.ReLU(inplace=True)]
        width = inner
    modules.append(nn.Linear(width, row.feature_dim))
    setattr(network, row.head, nn.Sequential(*modules, head))
