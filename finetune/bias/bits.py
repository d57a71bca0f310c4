"""Representation bias (Li, Li and Vasconcelos, "RESOUND", ECCV 2018; Kim et al., SynAPT, NeurIPS 2022, eq. 4.1)."""

import math


def representation_bias(accuracy: float, classes: int) -> float:
    """How many bits a representation gains over chance: log2(accuracy / chance), chance being 1 / `classes`.

    Args:
        accuracy: percent of the test videos that a linear classifier of the frozen representation names.
        classes: K, at least 1.

    Returns:
        bits; minus infinity where nothing is named.

    Raises:
        ValueError: an accuracy that is no percentage, or no class.
    """
    if not 0 <= accuracy <= 100 or classes < 1:
        raise ValueError(f"an accuracy of 0 to 100 % of at least one class, got {accuracy} of {classes}")
    return math.log2(accuracy / 100 * classes) if accuracy else -math.inf


def bias_interval(accuracy: float, tested: int, classes: int) -> tuple[float, float]:
    """The bits at the ends of the 95 % interval of an accuracy over so many test videos (Wilson's).

    It says how sure the accuracy of this one classifier is, and nothing of another choice of training videos.
    """
    from scipy import stats

    found = stats.binomtest(round(accuracy / 100 * tested), tested).proportion_ci(0.95, method="wilson")
    low, high = (
        representation_bias(min(100.0, max(0.0, 100 * float(end))), classes) for end in (found.low, found.high)
    )
    return low, high
