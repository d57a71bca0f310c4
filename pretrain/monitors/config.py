"""Which monitors measure a network's features, as a frozen dataclass."""

from dataclasses import dataclass
from typing import Literal

from fractalvid.core.constants import MAX_CLASSES
from fractalvid.utils.checks import MAX_COUNT, check_at_most, check_fields
from fractalvid.utils.errors import UserError

Monitor = Literal["knn", "linear", "motion", "crops"]


@dataclass(frozen=True)
class MonitorConfig:
    """What is measured of the features at every validation."""

    monitors: tuple[Monitor, ...] = ()
    """Of clips of classes that are not trained on: knn (the nearest clip is of the same class), linear (a linear probe
    names the class); crops, both of these on clips that are cut, cropped and mirrored as in training; and motion, a
    linear probe of 8 classes that share their shapes and differ in motion only."""
    monitor_classes: int = 20
    """Such classes."""
    monitor_clips: int = 16
    """Clips of each: half to learn from, half to name."""

    def __post_init__(self) -> None:
        """Refuse what can't be measured."""
        check_fields(self)
        if self.monitor_classes < 2 or self.monitor_clips < 2:
            raise UserError(
                f"monitor-classes ({self.monitor_classes}) and monitor-clips ({self.monitor_clips}) must be at least 2"
            )
        check_at_most(self, {"monitor_classes": MAX_CLASSES, "monitor_clips": MAX_COUNT})
