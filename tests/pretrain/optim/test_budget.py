import pytest

from fractalvid.pretrain.engine.config import LoopConfig
from fractalvid.pretrain.optim.budget import TIMED_STEPS, Budget, check_budget, epoch_steps
from fractalvid.utils.duration import parse_hours
from fractalvid.utils.errors import UserError


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
    budget = Budget(None, 200 / 3600)  # 200 s
    for step in range(1, TIMED_STEPS + 1):
        assert budget.total is None
        budget.record(step, 1.0 if step <= 10 else 0.5)  # a slow start isn't extrapolated
    assert budget.total == TIMED_STEPS + (200 - 30) * 2
    budget.record(TIMED_STEPS + 1, 1000.0)
    assert budget.total == 390


def test_a_short_budget_becomes_steps_before_much_of_it_is_gone() -> None:
    """Else the learning rate would still be rising at its end."""
    budget = Budget(None, 88 / 3600)
    for step in range(1, 12):
        assert budget.total is None
        budget.record(step, 3.0)
    assert budget.total == 11 + (88 - 33) // 3


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


def test_another_budget_than_the_states_holds() -> None:
    timed = Budget(None, 1.0)
    for step in range(1, 61):
        timed.record(step, 1.0)
    given, longer, timed_now = Budget(500, None), Budget(None, 2.0), Budget(None, 0.5)
    given.load_state_dict(timed.state_dict(), done=60)
    longer.load_state_dict(timed.state_dict(), done=60)
    timed_now.load_state_dict({**Budget(70, None).state_dict(), "seconds": 120.0, "warm_seconds": 100.0}, done=60)
    assert (given.total, longer.total, timed_now.total) == (500, 7200, 60 + (1800 - 120) // 2)


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


@pytest.mark.parametrize(
    ("epochs", "clips", "batch_size", "steps"),
    [
        (3, 100, 10, 30),
        (1, 101, 10, 11),
        (0.5, 100, 10, 5),
        (0.1, 30, 3, 1),
        (1e-9, 10, 10, 1),
        (25, 100_000, 32, 78125),
    ],
)
def test_epochs_become_steps(epochs: float, clips: int, batch_size: int, steps: int) -> None:
    assert epoch_steps(epochs, clips, batch_size) == steps
    budget = LoopConfig(epochs=epochs).budget(batch_size, clips)
    assert budget.total == steps


def test_epochs_of_a_source_without_any_are_refused() -> None:
    with pytest.raises(UserError, match="no epochs: give --steps or --hours"):
        LoopConfig(epochs=2).budget(10, None)
    assert LoopConfig(steps=7).budget(10, None).total == 7


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        ((None, None, None), "needs one budget"),
        ((5, 1.0, None), "needs one budget"),
        ((None, 1.0, 1.0), "needs one budget"),
        ((None, 0.0, None), "epochs is 0.0"),
        ((None, float("nan"), None), "epochs is nan"),
        ((-1, None, None), "steps is -1"),
    ],
)
def test_budgets_that_are_none_are_refused(budget: tuple[int | None, float | None, float | None], told: str) -> None:
    with pytest.raises(UserError, match=told):
        check_budget(*budget)
