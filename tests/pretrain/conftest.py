"""A small bank that many tests share."""

import pytest

from fractalvid.fractals.bank import ClassBank


@pytest.fixture(scope="session")
def bank() -> ClassBank:
    """Twelve classes of the default configuration."""
    return ClassBank.sample(12, seed=3)
