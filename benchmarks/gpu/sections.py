"""The sections of `benchmarks.gpu`, in the order in which they run, and what share of the time each has."""

from benchmarks.gpu.supervise import Section

MINUTES = 6.0
LEAST = 20.0
"""Seconds without which the last section is not begun: most of it goes into starting."""


def _section(name: str, function: str, seconds: float, least: float = 0.0) -> Section:
    """A section with the share that these seconds are of `MINUTES`."""
    return Section(name, f"benchmarks.gpu.{function}", seconds / (60 * MINUTES), least)


SECTIONS = (
    _section("correctness", "correctness:correctness", 90),
    _section("tests", "gpu_tests:gpu_tests", 75),
    _section("points", "points:points", 45),
    _section("clips", "clips:clips", 45),
    _section("host", "clips:host", 30),
    _section("training", "training:training", 75),
    _section("more", "more:more", 0, LEAST),
)
