"""How strongly features are debiased."""

from dataclasses import dataclass

from fractalvid.utils.checks import MAX_SETTING, check_fields
from fractalvid.utils.errors import UserError

PUBLISHED = 0.5
"""Both weights in the reproduction of the published method."""


@dataclass(frozen=True)
class DebiasConfig:
    """Weights of both parts of scene debiasing; each is off at 0."""

    scene: float = PUBLISHED
    """Lambda: by how much of the scene loss's gradient features become worse at telling the scene."""
    masked: float = PUBLISHED
    """Alpha: weight of the entropy of what the network says of clips without their figures, which is maximised."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self, "debias.")
        for name in ("scene", "masked"):
            check_debias(f"debias.{name}", getattr(self, name))


def check_debias(name: str, weight: float) -> None:
    """Raise a `UserError`, which calls it `name`, for what can't weigh a part of debiasing."""
    if not 0 <= weight <= MAX_SETTING:
        raise UserError(f"{name} is {weight:g}; it must be 0 (off) or above, and at most {MAX_SETTING:g}")
