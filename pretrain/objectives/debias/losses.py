"""The two losses of scene debiasing, as pure functions, in float32."""

from torch import Tensor
from torch.nn import functional as F


def scene_loss(logits: Tensor, scene: Tensor) -> Tensor:
    """Cross-entropy of the scene classifier, the mean over the clips whose scene is known; 0 where none is.

    Args:
        logits: (B, S).
        scene: float32 (B, S), probabilities; all 0 where a clip's scene is not known.
    """
    known = scene.sum(1) > 0
    return -(scene * F.log_softmax(logits.float(), dim=1)).sum() / known.sum().clamp(min=1)


def entropy(logits: Tensor, counts: Tensor) -> Tensor:
    """Entropy of the softmax of logits (B, K), in nats: the mean over the clips that count, bool (B,); 0 if none does.

    -sum over k of p_k log p_k: 0 where one class is certain, log K where all are equal.
    """
    log_p = F.log_softmax(logits.float(), dim=1)
    each = -(log_p.exp() * log_p).sum(1)
    return (each * counts).sum() / counts.sum().clamp(min=1)
