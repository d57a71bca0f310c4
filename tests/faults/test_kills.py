"""Commands that are killed at named points and at random moments: given again, they end as if nothing had happened."""

from random import Random

import pytest

from tests.faults.bench import Bench, Kill
from tests.faults.disk import Point
from tests.faults.scenarios import PREPARE, SCENARIOS, SETS, Scenario

NAMED = [(scenario, point) for scenario in SCENARIOS for point in scenario.points]


@pytest.mark.parametrize(("scenario", "point"), NAMED, ids=[f"{s.name}, {Kill(p)}" for s, p in NAMED])
def test_a_kill_at_a_named_point_is_made_good(bench: Bench, scenario: Scenario, point: Point) -> None:
    bench.kill(scenario, Kill(point))


DRAWN = (SETS[0], SETS[2], PREPARE)
"""Without points of their own, or so quick that one more costs little; `benchmarks.faults` draws for all."""


@pytest.mark.parametrize("scenario", DRAWN, ids=lambda scenario: scenario.name)
def test_kills_at_random_are_made_good(bench: Bench, scenario: Scenario) -> None:
    for kill in bench.drawn_kills(scenario, 1, Random(scenario.name)):
        bench.kill(scenario, kill)
