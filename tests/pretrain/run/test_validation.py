"""What a run is validated on."""

from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.objectives.config import ObjectiveConfig
from fractalvid.pretrain.run.validation import validated_classes


def test_validation_is_on_several_clips_of_each_class_without_labels(bank: ClassBank) -> None:
    assert validated_classes(ObjectiveConfig(), bank, 8) is bank
    assert len(validated_classes(ObjectiveConfig(name="byol"), bank, 8)) == 2
