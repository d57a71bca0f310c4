"""The demo: its report, its handling of folders and failures, and the whole chain at a tiny budget."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.cli.demo.commands import Part, as_options, last_line, run_logged
from fractalvid.cli.demo.report import DemoResult, render_report, wrapped
from fractalvid.cli.demo.run import DemoConfig, run_demo
from fractalvid.cli.demo.sizes import DemoSizes, announcement, shortened, sizes_for, timed_step
from fractalvid.cli.demo.verdict import headline, slow_start
from fractalvid.pages.gallery import Clip
from fractalvid.utils.errors import UserError
from tests.offline import forbid_network

ROOT = Path(__file__).parents[3]


def spread(mean: float, n: int = 1) -> dict[str, Any]:
    return {"mean": mean, "deviation": 1.5 if n > 1 else None, "n": n}


def comparison(scratch: float, fractal: float, n: int = 1, *, uncertain: float | None = 5.0) -> dict[str, Any]:
    """What `finetune compare` writes; the interval of the difference reaches `uncertain` points to either side."""
    metrics = {"classes": 12, "model": "r3d_10", "epochs": 3, "videos": {"train": 24, "test": 12}}
    tops = {"scratch": scratch, "fractal": fractal}
    return {
        "initialisations": [
            {"label": label, "top1": spread(top, n), "top5": spread(90.0, n), "mean_class": spread(top, n)}
            for label, top in tops.items()
        ],
        "comparisons": [
            {
                "first": "scratch",
                "second": "fractal",
                "difference": spread(fractal - scratch, n),
                "interval": None
                if uncertain is None
                else {"low": fractal - scratch - uncertain, "high": fractal - scratch + uncertain},
            }
        ],
        "runs": [{"label": label, "metrics": metrics | {"top1": top}} for label, top in tops.items()],
    }


def tiny_result(scratch: float = 40.0, fractal: float = 52.5) -> DemoResult:
    clip = np.zeros((2, 16, 16), np.uint8)
    train: list[dict[str, Any]] = [{"kind": "train", "step": s, "loss": 5.0 - s} for s in (1, 2)]
    val: list[dict[str, Any]] = [{"kind": "val", "step": 2, "top1": 0.25}]
    return DemoResult(
        parts=[Part("inventing classes", "fractalvid classes --out 'a b.npz'", 61.0), Part("<b>", "x", 9.0)],
        fractals=[Clip("class 0", clip)],
        actions=[Clip("bow", clip), Clip("run", clip)],
        pretraining=train + val,
        fine_tuning={"scratch": [val], "fractal": [val, []]},
        comparison=comparison(scratch, fractal),
    )


def test_the_report_is_one_file_that_says_everything() -> None:
    page = render_report(tiny_result())
    assert page.count("<img ") == 3
    assert page.count("<svg") == 4
    for text in ("52.5 %", "40.0 %", "+12.5 points", "1 min 01 s", "&#x27;a b.npz&#x27;", "--target hmdb51"):
        assert text in page
    assert "&lt;b&gt;" in page
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]{0,20})', page))
    assert not re.search(r'(?:url\(|href=")(?:https?:)?//', page)


def test_the_report_hides_no_loss() -> None:
    result = tiny_result(scratch=50.0, fractal=44.0)
    assert "-6.0 points" in render_report(result)
    told = "fractal is worse than scratch (-6.0 points, 95 % interval -11.0 to -1.0)"
    assert headline(result.comparison) == f"scratch 50.0 %, fractal 44.0 % top-1 accuracy: {told}"


@pytest.mark.parametrize("fractal", [54.2, 45.8])
def test_a_difference_that_may_be_none_is_not_told_as_one(fractal: float) -> None:
    result = tiny_result(scratch=50.0, fractal=fractal)
    for text in (headline(result.comparison), render_report(result)):
        assert "no difference between fractal and scratch can be told" in text
        assert f"{fractal - 50:+.1f} points, 95 % interval" in text
        assert "is better than" not in text and "is worse than" not in text


def test_without_an_interval_nothing_is_claimed() -> None:
    for unknown in (comparison(40.0, 60.0, uncertain=None), comparison(40.0, 60.0) | {"comparisons": []}):
        assert "can be told (+20.0 points, no interval known)" in headline(unknown)


def test_a_difference_beyond_doubt_is_told() -> None:
    assert "fractal is better than scratch (+12.5 points, 95 % interval +7.5 to +17.5)" in headline(
        comparison(40.0, 52.5)
    )


def test_the_headline_says_when_it_means_nothing() -> None:
    assert "near chance (8.3 %), too little time" in headline(comparison(13.3, 10.4))
    assert "near chance" not in headline(comparison(13.3, 40.0))


def test_a_slow_start_of_pre_trained_runs_is_explained_where_there_is_one() -> None:
    def run(*tops: float) -> list[dict[str, Any]]:
        return [{"kind": "train", "step": 1, "loss": 2.0}, *({"kind": "val", "step": 9, "top1": top} for top in tops)]

    behind = {"scratch": [run(20, 40), run(30, 40)], "fractal": [run(10, 60), run(12, 60)]}
    assert "fractal is behind scratch (11.0 % against 25.0 %)" in slow_start(behind)
    assert slow_start({"scratch": [run(10)], "fractal": [run(20)]}) == ""
    assert slow_start({"scratch": [run(10)], "fractal": [[]]}) == slow_start({}) == ""


def test_a_report_without_curves_or_clips() -> None:
    result = DemoResult([], [], [], [], {}, comparison(10.0, 20.0, n=2))
    assert "10.0 ± 1.5" in render_report(result)


def test_a_wrapped_command_is_the_same_command() -> None:
    command = "pretrain --bank 'a b/classes.npz' --seeds 0 1 --out " + "x" * 60
    lines = wrapped(command, width=50).split(" \\\n")
    assert len(lines) == 2
    assert " ".join(line.strip() for line in lines) == command


@pytest.mark.parametrize("step", [0.09, 0.12, 0.16, 0.2])
def test_the_parts_fit_into_the_minutes_on_machines_of_any_usual_speed(step: float) -> None:
    for minutes, seeds in ((5, 2), (5, 1), (8, 2)):
        sizes = sizes_for(step, minutes=minutes, seeds=seeds)
        assert 0.7 * 60 * minutes < sizes.seconds < 1.1 * 60 * minutes, sizes


def test_a_slow_machine_gets_a_run_that_shows_something_and_is_told_that_it_takes_longer() -> None:
    slow = sizes_for(2.0, minutes=5, seeds=2)
    assert (slow.steps, slow.epochs) == (200, 4)
    minutes = round(slow.seconds / 60)
    assert minutes > 20
    assert f"about {minutes} minutes on this machine: 200 steps of pre-training, then 4 epochs of each of 4" in (
        announcement(slow, seeds=2)
    )


def test_a_fast_machine_ends_sooner() -> None:
    fast = sizes_for(0.002, minutes=5, seeds=2)
    assert (fast.steps, fast.epochs) == (2500, 15)
    assert fast.seconds < 60
    assert "about 1 minute on" in announcement(fast, seeds=2)


def test_more_time_and_more_speed_mean_more_and_nothing_else_counts() -> None:
    more_time = [sizes_for(0.1, minutes=m, seeds=2) for m in (0.1, 1, 2, 5, 10, 600)]
    assert [one.epochs for one in more_time] == sorted(one.epochs for one in more_time)
    assert [one.steps for one in more_time] == sorted(one.steps for one in more_time)
    assert (more_time[0].steps, more_time[0].epochs, more_time[-1].epochs) == (50, 1, 40)
    faster = [sizes_for(s, minutes=5, seeds=2) for s in (0.8, 0.4, 0.2, 0.1, 0.05)]
    assert [one.epochs for one in faster] == sorted(one.epochs for one in faster)
    assert sizes_for(0.1, minutes=5, seeds=2) == sizes_for(0.103, minutes=5, seeds=2)


def test_fine_tunings_are_shortened_where_the_machine_turns_out_slower() -> None:
    sizes = sizes_for(0.1, minutes=5, seeds=2)
    as_said = 1.05 * (sizes.steps + 34) * sizes.step
    assert shortened(sizes, pre_training=as_said, left=160, seeds=2) == sizes
    assert shortened(sizes, pre_training=0.1 * as_said, left=160, seeds=2) == sizes  # never longer
    slower = shortened(sizes, pre_training=2 * as_said, left=160, seeds=2)
    assert 4 < slower.epochs < sizes.epochs
    assert (slower.steps, slower.step) == (sizes.steps, sizes.step)
    assert shortened(sizes, pre_training=as_said, left=-30, seeds=2).epochs == 4


def test_a_step_is_timed_without_the_first_ones() -> None:
    def row(step: int, rate: float) -> dict[str, Any]:
        return {"kind": "train", "step": step, "clips_per_s": rate}

    rows = [row(step, 1.0) for step in range(1, 7)] + [row(7, 160.0), row(8, 160.0), row(9, 2.0)]
    assert timed_step(rows) == pytest.approx(0.1)


def test_a_demo_that_is_begun_again_keeps_its_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed: list[list[str]] = []

    def stop_at_rendering(command: list[str], log: Path) -> int:
        typed.append(command)
        log.write_text("no room")
        if "--steps" in command:
            folder = Path(command[command.index("--out") + 1])
            folder.mkdir()
            rows = [{"kind": "train", "step": step, "clips_per_s": 160.0} for step in range(1, 17)]
            (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
            return 0
        return 2

    monkeypatch.setattr("fractalvid.cli.demo.commands.run_logged", stop_at_rendering)
    out = tmp_path / "demo"
    with pytest.raises(UserError, match="step 2 of 6, inventing classes"):
        run_demo(DemoConfig(out=out))
    kept = json.loads((out / "demo.json").read_text())
    assert DemoSizes(**kept["sizes"]) == sizes_for(0.1, minutes=5, seeds=2)
    assert not (out / "speed").exists()
    with pytest.raises(UserError, match="step 1 of 5, inventing classes"):
        run_demo(DemoConfig(out=out))
    assert json.loads((out / "demo.json").read_text()) == kept
    with pytest.raises(UserError, match="step 2 of 6"):
        run_demo(DemoConfig(out=out, minutes=3))  # for other minutes, it is timed anew
    assert [("--steps" in command) for command in typed] == [True, False, False, True, False]


@pytest.mark.parametrize(
    "config",
    [DemoConfig(minutes=0), DemoConfig(classes=1), DemoConfig(seeds=0), DemoConfig(seed=-1)],
)
def test_impossible_numbers_are_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: DemoConfig
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="must be"):
        run_demo(config)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("finished", [None, True])
def test_a_folder_with_something_else_or_a_finished_demo_is_left_alone(tmp_path: Path, finished: bool | None) -> None:
    if finished:
        (tmp_path / "demo.json").write_text(json.dumps({"program": "fractalvid demo", "finished": True}))
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(UserError, match="choose"):
        run_demo(DemoConfig(out=tmp_path))
    assert (tmp_path / "report.html").read_text() == "mine"


def test_a_failing_command_is_named_and_a_second_run_starts_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str], log: Path) -> int:
        log.write_text("progress\rmore progress\nfractalvid: error: the disk is full\n")
        (tmp_path / "demo" / "clips").mkdir()
        return 2

    monkeypatch.setattr("fractalvid.cli.demo.commands.run_logged", fail)
    config = DemoConfig(out=tmp_path / "demo")
    for _ in range(2):
        with pytest.raises(UserError, match=r"step 1 of 6.*`pretrain`.*disk is full.*1-pretrain.log"):
            run_demo(config)
    assert not (tmp_path / "demo" / "report.html").exists()


def test_overwrite_removes_only_what_a_demo_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractalvid.cli.demo.commands.run_logged", lambda command, log: log.write_text("no") and 1)
    (tmp_path / "demo.json").write_text(json.dumps({"program": "fractalvid demo", "finished": True}))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "pretrain").mkdir()
    with pytest.raises(UserError, match="step 1"):
        run_demo(DemoConfig(out=tmp_path, overwrite=True))
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "pretrain").exists()


def test_what_a_command_says_is_logged_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = "import sys; print('one'); sys.stderr.write('10 %\\r20 %\\rdone\\n'); sys.exit(3)"
    log = tmp_path / "log"
    assert run_logged([sys.executable, "-c", script], log) == 3
    assert "one\n" in log.read_text()
    assert last_line(log) == "done"
    shown = capsys.readouterr().err
    assert "  done\n" in shown
    assert "20 %" not in shown


def test_at_a_terminal_a_command_writes_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    script = "import sys; print('one'); sys.stderr.write('10 %\\r20 %\\rdone\\n'); sys.exit(3)"
    assert run_logged([sys.executable, "-c", script], tmp_path / "log") == 3
    assert capfd.readouterr().err == "one\n10 %\r20 %\rdone\n"
    assert not (tmp_path / "log").exists()


def test_options_as_they_are_typed() -> None:
    typed = as_options({"batch_size": 16, "tensorboard": False, "quiet": True, "seeds": (1, 2), "out": Path("a")})
    assert typed == ["--batch-size", "16", "--no-tensorboard", "--quiet", "--seeds", "1", "2", "--out", "a"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's empty home, where programs that are started write what they are not told to write elsewhere."""
    home = tmp_path / "home"
    for name, value in {"HOME": "", "USERPROFILE": "", "LOCALAPPDATA": "local", "TMPDIR": "tmp", "PWD": "here"}.items():
        (home / value).mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(name, str(home / value))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "FRACTALVID_CACHE", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NUMBA_CACHE_DIR", os.environ.get("NUMBA_CACHE_DIR", str(tmp_path / "numba")))
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "pycache"))
    monkeypatch.chdir(home / "here")
    return home


def test_the_whole_chain(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guard = tmp_path / "guard"
    guard.mkdir()
    attempts = forbid_network(guard)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(guard), str(ROOT)]))
    out = tmp_path / "demo"
    report = run_demo(DemoConfig(out=out, minutes=0.1, classes=8, seeds=1))
    page = report.read_text()
    said = capsys.readouterr()
    assert str(report.resolve()) in said.out
    assert "top-1 accuracy" in said.out
    assert "[6/6]" in said.err
    assert "on this machine: 50 steps of pre-training, then 1 epoch of each of 2 fine-tunings" in said.err
    assert page.count("<img ") == 8 + 12
    for command in ("fractalvid classes", "fractalvid generate", "fractalvid preview", "pretrain", "compare"):
        assert command in page
    scores = json.loads((out / "finetune" / "comparison.json").read_text())["initialisations"]
    assert [entry["label"] for entry in scores] == ["scratch", "fractal"]
    for entry in scores:
        assert f"{entry['top1']['mean']:.1f}" in page
    assert list((out / "pretrain").glob("weights.safetensors"))
    assert not attempts.exists(), attempts.read_text()
    left = [path for path in home.rglob("*") if path.is_file() and "matplotlib" not in path.parts]  # its list of fonts
    assert left == [], "the README says what is written outside of --out"
    with pytest.raises(UserError, match="finished demo"):
        run_demo(DemoConfig(out=out))
