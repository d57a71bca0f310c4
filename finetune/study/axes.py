"""The choices of a pre-training that a study can be about."""

from typing import Literal

Axis = Literal["classes", "clips", "budget", "init", "objectives", "kinds", "emulation"]
AXES: dict[Axis, str | None] = {
    "classes": "classes",
    "clips": "instances",
    "budget": "engine.steps",
    "init": None,
    "objectives": "objective.name",
    "kinds": "kind",
    "emulation": "stream.emulate",
}
"""Axis -> the setting of a pre-training that its values are of; those of `init` are what transfers start from."""
ORDERED = ("classes", "clips", "budget")
"""Those whose values are amounts."""
