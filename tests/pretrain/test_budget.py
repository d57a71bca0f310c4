import pytest

from fractalvid.duration import parse_hours
from fractalvid.errors import UserError
from pretrain.budget import TIMED_STEPS, Budget


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("2h", 2.0),
        ("20m", 1 / 3),
        ("90s", 0.025),
        ("1h30m", 1.5),
        ("0.5", 0.5),
        ("1.5d", 36.0),
        (" 3H ", 3.0),
    ],
)
def test_times_are_understood(text: str, hours: float) -> None:
    assert parse_hours(text) == pytest.approx(hours)


@pytest.mark.parametrize("text", ["", "m", "20 minutes", "2h!", "-1", "h2", "1e3m", "nan"])
def test_other_texts_are_not(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_hours(text)


def test_hours_become_steps_once() -> None:
    budget = Budget(None, 100 / 3600)  # 100 s
    for step in range(1, TIMED_STEPS + 1):
        assert budget.total is None
        budget.record(step, 1.0 if step <= 10 else 0.5)  # a slow start isn't extrapolated
    assert budget.total == TIMED_STEPS + (100 - 30) * 2
    budget.record(TIMED_STEPS + 1, 1000.0)
    assert budget.total == 190


def test_a_budget_shorter_than_the_timed_steps_ends_there() -> None:
    budget = Budget(None, 3 / 3600)
    for step in (1, 2, 3):
        budget.record(step, 1.0)
    assert budget.total == 3


def test_state_keeps_the_total() -> None:
    first = Budget(None, 1.0)
    for step in range(1, 51):
        first.record(step, 1.0)
    second = Budget(None, 1.0)
    second.load_state_dict(first.state_dict())
    second.record(51, 100.0)
    assert second.total == first.total == 3600


def test_state_of_unfinished_timing_goes_on() -> None:
    whole, first, second = (Budget(None, 1.0) for _ in range(3))
    for step in range(1, 51):
        whole.record(step, 0.1 * step)
        (first if step <= 20 else second).record(step, 0.1 * step)
        if step == 20:
            second.load_state_dict(first.state_dict())
    assert second.total == whole.total is not None


@pytest.mark.parametrize(("steps", "hours"), [(None, None), (5, 1.0), (0, None), (None, 0.0), (None, float("inf"))])
def test_impossible_budgets_are_refused(steps: int | None, hours: float | None) -> None:
    with pytest.raises(UserError):
        Budget(steps, hours)
