import math

import pytest

from fractalvid.finetune.bias.bits import bias_interval, representation_bias
from fractalvid.finetune.report.published import published_bias

# Accuracies and biases that are published of the six benchmarks (SynAPT, Kim et al. 2022), and their classes.
PUBLISHED = [
    ("ucf101", 101, 48.53, 5.62),
    ("hmdb51", 51, 27.78, 3.83),
    ("ssv2-mini", 87, 9.03, 2.97),
    ("diving48", 48, 8.68, 2.06),
    ("ikeafa", 12, 33.54, 2.01),
    ("uavhuman", 155, 2.52, 1.96),
]


@pytest.mark.parametrize(("target", "classes", "accuracy", "bits"), PUBLISHED)
def test_published_accuracies_give_the_published_biases(
    target: str, classes: int, accuracy: float, bits: float
) -> None:
    assert representation_bias(accuracy, classes) == pytest.approx(bits, abs=0.01)
    assert [(top1, known) for top1, known, _ in published_bias(target)] == [(accuracy, bits)]


def test_chance_is_no_bias() -> None:
    assert representation_bias(25.0, 4) == 0 and representation_bias(100.0, 8) == 3
    assert representation_bias(0.0, 4) == -math.inf
    for wrong in ((101.0, 4), (-1.0, 4), (50.0, 0)):
        with pytest.raises(ValueError, match="accuracy of 0 to 100"):
            representation_bias(*wrong)


def test_the_interval_holds_the_bias_and_shrinks_with_videos() -> None:
    low, high = bias_interval(30.0, 100, 10)
    assert low < representation_bias(30.0, 10) < high
    # Wilson's interval of 30 of 100 is 21.9 % to 39.6 %.
    assert (2**low / 10, 2**high / 10) == pytest.approx((0.2190, 0.3958), abs=2e-4)
    narrow = bias_interval(30.0, 10_000, 10)
    assert narrow[1] - narrow[0] < (high - low) / 5
    assert bias_interval(0.0, 5, 4)[0] == -math.inf and bias_interval(100.0, 5, 4)[1] == pytest.approx(2.0)
