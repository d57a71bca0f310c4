"""What objectives without labels have in common: two views of each instance, and embeddings that are compared."""

from torch import Tensor, nn

from fractalvid.pretrain.engine import Objective, Outcome
from fractalvid.pretrain.objectives.losses import agreement, spread


def mlp(features: int, hidden: int, out: int, *, norm: bool) -> nn.Sequential:
    """Two linear layers with a ReLU between, and BatchNorm before it if `norm`: (B, features) -> (B, out)."""
    layers: list[nn.Module] = [nn.Linear(features, hidden, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm1d(hidden))
    return nn.Sequential(*layers, nn.ReLU(inplace=True), nn.Linear(hidden, out))


class TwoViews(Objective):
    """A network, and a projector from its features to the embeddings that a loss compares."""

    def __init__(self, backbone: nn.Module, projector: nn.Module) -> None:
        """Put them together.

        Args:
            backbone: video (B, C, T, H, W) -> features (B, F).
            projector: features (B, F) -> embeddings (B, D).
        """
        super().__init__()
        self.backbone = backbone
        self.projector = projector

    def embed(self, video: Tensor) -> Tensor:
        """Embeddings (B, D) of video (B, C, T, H, W)."""
        embedding: Tensor = self.projector(self.backbone(video))
        return embedding


def outcome(loss: Tensor, pair: tuple[Tensor, Tensor], embedding: Tensor) -> Outcome:
    """A loss, with what the log says beside it.

    Args:
        loss: scalar.
        pair: what was compared, (B, D) each: their mean cosine is `agreement`.
        embedding: (B, D), of the first views: how far they lie apart is `spread`.
    """
    return Outcome(loss, parts={"agreement": agreement(*pair), "spread": spread(embedding)})
