"""A slice of the fuzzing that `python -m benchmarks.fuzz` does at length: the same cases at every run."""

import random
from pathlib import Path

import pytest

from tests.fuzz.mutations import mutated
from tests.fuzz.oracle import Oracle
from tests.fuzz.targets import BY_NAME

CASES = 100


@pytest.mark.parametrize("name", BY_NAME)
def test_whatever_is_read_is_a_value_or_one_line(name: str, tmp_path: Path) -> None:
    target = BY_NAME[name]
    seeds, chance, oracle = target.seeds(), random.Random(name), Oracle(tmp_path, target)
    oracle.warm(seeds)
    for _ in range(CASES):
        data = mutated(seeds, chance)
        assert oracle.check(data) is None, data[:2000]
