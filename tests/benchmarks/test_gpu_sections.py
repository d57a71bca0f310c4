"""What the sections of `benchmarks.gpu` measure, in small and on the processor: the code that a GPU will run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.gpu import clips, correctness, more, points, training
from benchmarks.gpu.place import Place
from benchmarks.gpu.report import Report, Row, rows_of
from benchmarks.kernels.chaos_game import PAPER
from fractalvid.gpu import render
from fractalvid.kernels.cuda import game
from fractalvid.kernels.cuda.game import Tuning
from fractalvid.kernels.variations import VARIATIONS
from tests.kernels.cuda.host_device import HostDevice

PLACE = Place(HostDevice(), torch.device("cpu"))


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return Report(tmp_path / "rows")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sections as they are, with less of everything."""
    shown = replace(clips.PLAIN, clip_len=2, size=32, points=500)
    amounts: dict[Any, dict[str, Any]] = {
        correctness: {"CLIPS": 3, "CLIP_SIZE": 32, "CLIP_POINTS": 4000, "SIZE": 32, "POINTS": 8000, "LONG_RUN": 80_000},
        points: {"POINTS": dict.fromkeys((64, 112, 256), 2000), "FRAMES": dict.fromkeys((64, 112, 256), 2)},
        clips: {"CLASSES": 3, "POOL": 3, "BATCH": 2, "BATCHES": 2, "WARM_UP": 2, "PLAIN": shown},
        training: {"BATCH": 2, "CLASSES": 3, "WARM_UP": 1, "STEPS": 1, "SPANS": 1, "KEPT": 2, "SHOWN": shown},
        more: {"CLASSES": 3, "CLIPS": 2, "PLAIN": shown, "OTHERS": ((shown, 2),)},
    }
    for module, values in amounts.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("benchmarks.gpu.place.RUNS", 1)


def measured(report: Report) -> dict[str, Row]:
    return {row["what"]: row for row in rows_of(report.path)}


def test_correct_kernels_are_found_correct(report: Report) -> None:
    correctness.clips(report, PLACE)
    correctness.counts(report, PLACE, "linear")
    correctness.counts(report, PLACE, "popcorn")
    correctness.determinism(report, PLACE)
    rows = list(measured(report).values())
    assert len(rows) == 5
    assert all(row["numbers"]["ok"] for row in rows), rows
    assert rows[0]["numbers"]["attempts"] == rows[1]["numbers"]["classes"] == 1
    assert rows[1]["numbers"]["pixels"] > 0.9
    assert rows[2]["numbers"]["l1"] == pytest.approx(rows[2]["numbers"]["l1_cpu"], abs=0.02)
    assert rows[2]["numbers"]["same_pixel"] > 0.9


def test_golden_pictures_are_compared(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fractalvid.fractals import test_golden

    monkeypatch.setattr(test_golden, "POINTS", 40_000)  # noisier than what is recorded
    correctness.golden(report, PLACE)
    (row,) = measured(report).values()
    assert row["numbers"]["attempts"] >= 0.95
    assert row["numbers"]["grey_levels"] < 6


@pytest.mark.parametrize("wrong", ["lost", "moved", "unsteady"])
def test_wrong_counts_are_found_wrong(wrong: str, report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    right, calls = game.accumulate, iter(range(100))

    def broken(*arguments: Any, tuning: Tuning, **options: Any) -> game.Counted:
        done = right(*arguments, tuning=tuning, **options)
        match wrong:
            case "lost":
                done.counts[0, 0, 0] += 1
            case "moved" if len(done.counts) == 4:
                done.counts[:] = np.roll(done.counts, 5, axis=2)
            case "unsteady":
                done.counts[:] = np.roll(done.counts, next(calls), axis=1)
        return done

    monkeypatch.setattr(game, "accumulate", broken)
    compare = correctness.determinism if wrong == "unsteady" else correctness.counts
    compare(report, PLACE, *(() if wrong == "unsteady" else ("linear",)))
    (row,) = measured(report).values()
    assert row["numbers"]["ok"] is False


def test_wrong_pictures_are_found_wrong(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the next class."""

    def shifted(*arguments: Any, **options: Any) -> Any:
        return np.roll(render.render_on_device(*arguments, **options), 1, axis=0)

    monkeypatch.setattr(correctness, "render_on_device", shifted)
    correctness.clips(report, PLACE)
    fits, shown = measured(report).values()
    assert fits["numbers"]["ok"] is True and shown["numbers"]["ok"] is False
    assert shown["numbers"]["classes"] < 0.5


def test_points_a_second_are_those_of_the_time_and_the_slowest_is_named(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[tuple[int, ...]] = []
    right = game.render

    def noted(*arguments: Any, **options: Any) -> Any:
        launched.append(options["variations"].fused)
        return right(*arguments, **options)

    def seconds(self: Place, work: Any, runs: int = 1) -> float:
        work()
        return 1e-6 * len(launched)  # each is slower than the one before

    monkeypatch.setattr(game, "render", noted)
    monkeypatch.setattr(Place, "seconds", seconds)
    points.measure(report, PLACE)
    rows = list(measured(report).values())
    assert [row["what"].split()[0] for row in rows[:2]] == ["linear", "popcorn"]
    assert {row["what"].split()[0] for row in rows[: len(PAPER)]} == set(PAPER)
    assert rows[0]["numbers"]["g"] == pytest.approx(2 * 2000 / 1e-6 / 1e9)
    assert rows[1]["numbers"]["g"] == pytest.approx(rows[0]["numbers"]["g"] / 2)
    last = rows[len(PAPER) - 1]
    assert rows[len(PAPER)]["what"].startswith("slowest")
    assert rows[len(PAPER)]["shown"].split(",")[0] == last["what"].split()[0]
    assert launched == [points.DEFAULTS.fused] * len(PAPER) + [(0,), (0,)]


def test_clips_and_the_hosts_time(report: Report) -> None:
    clips.measure_clips(report, PLACE)
    clips.measure_host(report, PLACE)
    rows = measured(report)
    assert ["paper" in name for name in rows] == [False, True, False, True]
    assert ["clips" in row["numbers"] for row in rows.values()] == [True, True, False, False]
    assert all(value > 0 for row in rows.values() for value in row["numbers"].values())


def test_a_training_step_from_the_stream_and_from_memory(report: Report) -> None:
    training.measure(report, PLACE)
    rows = list(measured(report).values())
    assert ["paper" in row["what"] for row in rows] == [True, True, False, False]
    first, both = rows[0]["numbers"], rows[1]["numbers"]
    assert both["cached"][0] == first["cached"] and both["live"][0] == first["live"]
    assert both["ratio"] == pytest.approx(min(both["live"]) / min(both["cached"]))


def test_what_time_is_left_for(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(more, "VARIATIONS", {number: VARIATIONS[number] for number in (0, 13)})
    more.measure(report, PLACE)
    names = list(measured(report))
    assert "µs a clip for the fit" in names[0] and "full" in names[1]
    assert sum("walkers a thread" in name for name in names) == 3
    assert names[-1].startswith(VARIATIONS[13].name)
    assert len(names) == 1 + 1 + 3 + 1 + 3 + 1
