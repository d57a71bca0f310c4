"""Training on in the source alone: what every method is measured against."""

from fractalvid.finetune.generalise.methods.base import Method


class Plain(Method):
    """Nothing is done for any other domain."""
