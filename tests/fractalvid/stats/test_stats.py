"""Banks and sets are measured alike, side by side, whoever does the work; mistakes are one line."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fractalvid.core.bank import Bank
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.config import ClassConfig
from fractalvid.fractals.fit import Fits
from fractalvid.kinds import fit_clips, render_clip, sample_bank
from fractalvid.sets import SetConfig, generate
from fractalvid.sets.manifest import read_manifest, write_manifest
from fractalvid.sets.reader import SetReader
from fractalvid.stats.config import Band, ProbeConfig, StatsConfig
from fractalvid.stats.figures import lit_share, motion
from fractalvid.stats.measure import measure
from fractalvid.stats.report import stats
from fractalvid.stats.results import FIGURES, SourceStats, Summary
from fractalvid.stats.separability import Separability
from fractalvid.stats.source import BankSource, open_source, spread, variations_taken
from fractalvid.stats.table import as_text, percent, rows
from fractalvid.utils.errors import UserError
from tests.fractalvid.command import fractalvid

SMALL = StatsConfig(classes=3, clips=3, held_out=1, size=32, points=2000, motion_probe=False)
STORED = StatsConfig(classes=3, clips=3, held_out=1, motion_probe=False)
"""The same of clips that a set holds."""
TINY_PROBE = ProbeConfig(shapes=1, motions=2, train=2, test=2, size=16, frames=4, points=500, steps=1, batch=2)


def measured(bank: Bank, config: StatsConfig = SMALL, *, workers: int = 1) -> SourceStats:
    source = BankSource("bank", bank, config)
    return measure(source, config, workers=workers, progress=False)


def set_of(bank: Bank, out: Path, **values: object) -> Path:
    config = SetConfig(**{"clips": 4, "size": 32, "points": 2000, **values})  # type: ignore[arg-type]
    assert generate(bank, out, config, workers=1, progress=False) == 0
    return out


def test_clips_that_no_memory_holds_are_refused() -> None:
    with pytest.raises(UserError, match=r"takes 9.8 GiB of at most 2"):
        StatsConfig(size=1024, frames=10_000)


@pytest.fixture(scope="module")
def three() -> ClassBank:
    return ClassBank.sample(3, seed=3)


def test_figures_are_those_of_the_clips(three: ClassBank) -> None:
    found = measured(three)
    ids = [(c, i) for c in range(3) for i in (0, 1, 2, FIRST_VALIDATION_ID)]
    clips = [render_clip(three, c, i, size=32, points=2000)[None] for c, i in ids]
    assert found.clips == 12
    assert found.frames == sum(clip.shape[1] for clip in clips)
    lit, moved = found.figures["occupancy"], found.figures["motion"]
    assert lit is not None and moved is not None
    assert lit.mean == pytest.approx(np.mean([lit_share(clip).mean() for clip in clips]))
    values = [motion(clip)[0] for clip in clips]
    assert moved.deviation == pytest.approx(np.std(values), rel=1e-5)
    assert moved.percentiles[2] == pytest.approx(np.median(values), rel=1e-5)
    assert sum(moved.histogram) == pytest.approx(1)
    first = np.mean([lit_share(clip).mean() for clip in clips[:4]])
    assert found.by_class["class_id"] == [0, 1, 2]
    assert found.by_class["occupancy"][0] == pytest.approx(first)
    assert found.separability is not None
    assert (found.separability.trained, found.separability.tested) == (9, 3)
    extreme = {(e.class_id, e.instance_id) for e in found.extremes if e.label.startswith("most motion")}
    assert extreme == {ids[int(np.argmax(values))]}


def test_what_is_found_does_not_depend_on_the_workers(three: ClassBank) -> None:
    one, three_of_them = (dataclasses.replace(measured(three, workers=n), seconds=0) for n in (1, 3))
    assert one == three_of_them


def test_acceptance_is_reported(bank: ClassBank) -> None:
    config = dataclasses.replace(SMALL, classes=12, held_out=0)
    strict = dataclasses.replace(bank, config=dataclasses.replace(bank.config, empty=0.08))
    whole_stats = measured(strict, config)
    found = whole_stats.acceptance
    fits = fit_clips(strict, np.repeat(np.arange(12), 3), np.tile(np.arange(3), 12))
    assert isinstance(fits, Fits) and found is not None
    assert found.redrawn == pytest.approx(np.mean(fits.rejected.sum(axis=1) > 0))
    assert found.rejected["empty"] > 0.02
    wild = fits.rejected[:, 4].sum()
    whole = int(((fits.fault == 0) & (fits.damping.min(axis=1) == 1)).sum())
    assert found.rejected["unbounded"] == pytest.approx(wild / (fits.rejected.sum() + whole))
    assert found.damped == pytest.approx(np.mean(fits.damping.min(axis=1) < 1))
    redrawn = (fits.rejected.sum(axis=1) > 0).reshape(12, 3).mean(axis=1)
    assert np.allclose(whole_stats.by_class["redrawn"], redrawn)
    assert np.mean(whole_stats.by_class["damped"]) == pytest.approx(found.damped)


def test_a_set_without_losses_is_measured_like_its_bank(three: ClassBank, tmp_path: Path) -> None:
    set_of(three, tmp_path / "set", format="npz", clips=2)
    halves = dataclasses.replace(SMALL, clips=1, held_out=1)
    from_set = measure(open_source(tmp_path / "set", halves), halves, workers=2, progress=False)
    assert from_set.size == (32, 32)
    assert (from_set.origin, from_set.kind, from_set.clips) == ("set", "ifs", 6)
    three.save(tmp_path / "classes.npz")
    both = dataclasses.replace(SMALL, clips=2, held_out=0)
    from_bank = measure(open_source(tmp_path / "classes.npz", both), both, workers=1, progress=False)
    assert from_set.figures == from_bank.figures
    assert from_set.diversity == from_bank.diversity
    assert from_set.acceptance == from_bank.acceptance
    assert from_set.by_variation == from_bank.by_variation
    assert from_set.separability is not None and from_bank.separability is None
    assert any("held-out" in note for note in from_bank.notes)


def test_encoders_noise_is_not_counted(tmp_path: Path) -> None:
    dark = ClassBank.sample(4, seed=8)
    path = set_of(dark, tmp_path / "set", size=64, points=20_000, clips=2)
    config = dataclasses.replace(SMALL, classes=4, clips=2, held_out=0, size=64, points=20_000)
    videos = measure(open_source(path, config), config, workers=1)
    exact, lossy = measured(dark, config).figures["occupancy"], videos.figures["occupancy"]
    assert exact is not None and lossy is not None
    assert lossy.mean == pytest.approx(exact.mean, abs=0.03)


def test_pictures_have_no_motion(three: ClassBank, tmp_path: Path) -> None:
    path = set_of(three, tmp_path / "set", format="png", clips=2)
    found = stats([path], tmp_path / "out", STORED, workers=1, progress=False)[0]
    assert found.figures["motion"] is None and found.figures["still"] is None and found.figures["path"] is None
    assert found.figures["occupancy"] is not None
    assert json.loads((tmp_path / "out" / "stats.json").read_text())["sources"][0]["figures"]["motion"] is None


def test_one_picture_of_each_class_has_no_distance_within_it(three: ClassBank, tmp_path: Path) -> None:
    path = set_of(three, tmp_path / "set", format="png", clips=1)
    found = measure(open_source(path, STORED), STORED, workers=1, progress=False)
    assert np.isnan(found.diversity.class_distance) and found.diversity.distance > 0
    assert "within a class" not in as_text([found])


def test_few_broken_clips_are_skipped_and_many_refused(three: ClassBank, tmp_path: Path) -> None:
    path = set_of(three, tmp_path / "set", format="npz", clips=10)
    lots = dataclasses.replace(SMALL, clips=10, held_out=0)
    reader = SetReader(path)
    (path / reader.rows[4].path).unlink()
    found = measure(open_source(path, lots), lots, workers=1, progress=False)
    assert (found.skipped, found.clips) == (1, 29)
    for row in reader.rows[5:8]:
        (path / row.path).unlink()
    with pytest.raises(UserError, match=r"4 of 30 clips .* fractalvid verify"):
        measure(open_source(path, lots), lots, workers=1, progress=False)


def test_rows_of_no_clip_of_the_set_are_one_line(three: ClassBank, tmp_path: Path) -> None:
    path = set_of(three, tmp_path / "set", format="npz", clips=2)
    rows = read_manifest(path / "manifest.csv")
    for odd in (dataclasses.replace(rows[0], class_id=77), dataclasses.replace(rows[0], instance_id=-1)):
        write_manifest(path / "manifest.csv", [odd, *rows[1:]])
        with pytest.raises(UserError, match=rf"no clip {odd.class_id}/{odd.instance_id}, .* fractalvid verify"):
            open_source(path, SMALL)
    write_manifest(path / "manifest.csv", rows)
    ClassBank.sample(2, seed=3).save(path / "classes.npz")
    with pytest.raises(UserError, match="no clip 2/0"):
        open_source(path, SMALL)


def test_colour_is_measured_as_its_luma(three: ClassBank, tmp_path: Path) -> None:
    assert fractalvid("generate", "--classes", 2, "--clips", 2, "--size", 32, "--points", 2000, "--format", "npz",
                      "--colour", "structural", "--out", tmp_path / "set") == 0  # fmt: skip
    found = stats([tmp_path / "set"], tmp_path / "out", STORED, workers=1, progress=False)[0]
    grey = measured(ClassBank.sample(2, seed=0), dataclasses.replace(SMALL, clips=2, held_out=0)).figures["occupancy"]
    coloured = found.figures["occupancy"]
    assert grey is not None and coloured is not None
    assert coloured.mean == pytest.approx(grey.mean)


def test_the_variations_that_classes_take() -> None:
    mixed = ClassConfig(linear_share=0.0, variations=("julia", "swirl", "bent"), max_summed=2, per_map=True)
    bank = ClassBank.sample(20, seed=0, config=mixed)
    taken = variations_taken(bank)
    assert taken is not None
    assert set(taken) <= {"linear", "julia", "swirl", "bent"}
    assert sum(taken[name].sum() for name in ("julia", "swirl", "bent")) > 20
    plain = variations_taken(ClassBank.sample(40, seed=0))
    assert plain is not None
    assert sum(classes.sum() for classes in plain.values()) == 40
    assert variations_taken(sample_bank(2, kind="perlin", seed=0)) is None


def test_other_kinds_are_measured_too() -> None:
    found = measured(sample_bank(3, kind="shapes", seed=0))
    assert found.acceptance is None and not found.by_variation
    assert found.figures["occupancy"] is not None
    text = as_text([found])
    assert "damped" not in text


def test_side_by_side_from_the_command(three: ClassBank, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    three.save(tmp_path / "a.npz")
    sample_bank(4, kind="octopus", seed=0).save(tmp_path / "b&.npz")
    out = tmp_path / "out"
    options = ["--classes", 3, "--clips", 3, "--held-out", 1, "--size", 32, "--points", 2000]
    options += [f"--probe.{name.replace('_', '-')}={value}" for name, value in dataclasses.asdict(TINY_PROBE).items()]
    assert fractalvid("stats", tmp_path / "a.npz", tmp_path / "b&.npz", "--out", out, *options) == 0
    table = capsys.readouterr().out
    assert "clips damped" in table and "motion probe: clips" in table
    kept = json.loads((out / "stats.json").read_text())
    assert [source["kind"] for source in kept["sources"]] == ["ifs", "octopus"]
    assert kept["config"]["probe"]["steps"] == 1
    assert kept["sources"][0]["probe"]["chance"] == 0.5
    page = (out / "stats.html").read_text()
    assert "b&amp;.npz" in page and "b&.npz" not in page
    assert page.count("<svg") == 9  # six histograms, the spectrum, the classifier, the probe
    assert all(source.startswith("data:") for source in re.findall(r'src="([^"]{0,30})', page))
    assert not re.findall(r'(?:href|src)="http', page)
    assert fractalvid("stats", tmp_path / "a.npz", "--out", out, *options) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (out / "stats.html").read_text() == page
    assert fractalvid("stats", tmp_path / "a.npz", "--out", out, "--overwrite", "--no-motion-probe", *options[:10]) == 0
    assert len(json.loads((out / "stats.json").read_text())["sources"]) == 1


def test_the_terminal_says_what_is_left_out(
    three: ClassBank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = set_of(three, tmp_path / "set", format="npz", clips=10)
    (path / SetReader(path).rows[4].path).unlink()
    (path / "classes.npz").unlink()
    assert fractalvid("stats", path, "--out", tmp_path / "out", "--classes", 3, "--clips", 10, "--held-out", 0) == 0
    told = capsys.readouterr().out.splitlines()
    assert f"note: {path}: no motion-only probe: the set has no classes.npz" in told
    assert f"note: {path}: 1 clip could not be read" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name 1 to"),
        (["nosuch"], "nosuch does not exist"),
        (["text.npz"], "not a class bank"),
        (["empty"], "no generated set"),
        (["bank.npz", "bank.npz"], "twice"),
        (["bank.npz", "--size", "8"], "--size is 8"),
        (["bank.npz", "--classes", "0"], "--classes is 0"),
        (["bank.npz", "--above", "255"], "--above is 255"),
        (["bank.npz", "--frames", "1"], "--frames is 1"),
        (["bank.npz", "--band.low", "9", "--band.high", "9"], "--band.low is 9"),
        (["bank.npz", "--size", "16", "--band.low", "8", "--points", "500"], "band"),
        (["bank.npz", "--probe.steps", "0"], "--probe.steps is 0"),
        (["bank.npz", "--probe.points", "3000000000"], "--probe.points is 3000000000"),
        (["bank.npz", "--probe.seed", "18446744073709551616"], "--probe.seed is"),
        (["bank.npz", "--held-out", "-1"], "--held-out is -1"),
        (["bank.npz", "--probe.learning-rate", "0"], "--probe.learning-rate is 0"),
        (["bank.npz", "--workers", "0"], "--workers is 0"),
        (["bank.npz", "--clasess", "3"], "--clas"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], said: str, three: ClassBank, tmp_path: Path, refuses: Callable[..., None]
) -> None:
    three.save(tmp_path / "bank.npz")
    (tmp_path / "text.npz").write_text("not a bank")
    (tmp_path / "empty").mkdir()
    refuses(said, "stats", *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["set", "--points", "2000"], "--points is set, but clips of sets are taken as they are"),
        (["set", "--frames", "4"], "--frames is set, but clips of sets are taken as they are"),
        (["set", "--size", "32"], "--size is set, but clips of sets are taken as they are"),
        (["perlin.npz", "set", "--points", "2000"], "--points is set, but no chaos game is played for clips of perlin"),
        (["bank.npz", "--no-motion-probe", "--probe.steps", "9"], "probe is set, but motion_probe is off"),
    ],
)
def test_what_has_no_effect_on_the_sources_is_refused(
    arguments: list[str], said: str, three: ClassBank, tmp_path: Path, refuses: Callable[..., None]
) -> None:
    three.save(tmp_path / "bank.npz")
    sample_bank(3, kind="perlin", seed=0).save(tmp_path / "perlin.npz")
    set_of(three, tmp_path / "set", clips=1, format="npz")
    refuses(said, "stats", *arguments)


def test_clips_too_small_for_the_band_are_known_before_anything_is_measured(
    three: ClassBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses: Callable[..., None]
) -> None:
    def never(*arguments: object, **options: object) -> None:
        pytest.fail("measured in vain")

    three.save(tmp_path / "large.npz")
    set_of(three, tmp_path / "small", size=16, clips=1)
    monkeypatch.setattr("fractalvid.stats.report.measure_clips", never)
    refuses("small: clips of 16 x 16 pixels have no band from 8", "stats", "large.npz", "small", "--band.low", 8)
    refuses("no band from 64", "stats", "small", "large.npz", "--band.low", 64, "--band.high", 65)


def test_files_smaller_than_their_set_says_are_one_line(three: ClassBank, tmp_path: Path) -> None:
    card = set_of(three, tmp_path / "set", size=16, clips=1) / "dataset.json"
    card.write_text(card.read_text().replace('"size": 16', '"size": 32'))
    config = dataclasses.replace(SMALL, band=Band(8, 16))
    with pytest.raises(UserError, match="set: clips of 16 x 16 pixels have no band from 8"):
        measure(open_source(tmp_path / "set", config), config, workers=1, progress=False)


def test_the_share_told_apart_is_uncertain_also_where_it_is_all_or_none(three: ClassBank) -> None:
    found = measured(three)

    def shown(accuracy: float, tested: int) -> str:
        apart = Separability(accuracy=accuracy, chance=0.5, classes=2, trained=4, tested=tested)
        table = rows([dataclasses.replace(found, separability=apart)])
        return next(row.values[0] for row in table if row.label == "classes told apart")

    # (p + z²/2n ± z √(p (1 - p) / n + z²/4n²)) / (1 + z²/n), Wilson 1927.
    z, n, p = 1.959964, 40, 0.25
    middle, half = p + z**2 / (2 * n), z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    low, high = (100 * (middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
    assert shown(p, n) == f"25.0 % ({low:.1f} to {high:.1f})"
    assert shown(1.0, 2) == "100.0 % (34.2 to 100.0)"
    assert shown(0.0, 2) == "0.0 % (0.0 to 65.8)"


def test_an_unwritable_place_is_known_before_anything_is_measured(
    three: ClassBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: object, **options: object) -> None:
        pytest.fail("measured in vain")

    three.save(tmp_path / "bank.npz")
    monkeypatch.setattr("fractalvid.stats.report.measure_clips", never)
    for out in (Path("/proc/self"), tmp_path / "bank.npz" / "below"):
        with pytest.raises(UserError, match="choose another --out"):
            stats([tmp_path / "bank.npz"], out, SMALL, workers=1, progress=False)


def test_summaries_leave_out_what_is_no_number() -> None:
    found = Summary.of(np.array([np.nan, 0.5, 1.5, 9.0]), (0.0, 2.0))
    assert found is not None
    assert found.clips == 3
    assert found.mean == pytest.approx(11 / 3)
    assert found.histogram[-1] == pytest.approx(1 / 3)
    assert Summary.of(np.array([np.nan]), (0, 1)) is None


def test_shares_are_shown_with_as_many_digits_as_they_need() -> None:
    assert [percent(value) for value in (0, 1, 0.5, 0.00123)] == ["0 %", "100 %", "50.0 %", "0.12 %"]


def test_batches_fit_into_memory(three: ClassBank) -> None:
    def largest(size: int) -> int:
        config = dataclasses.replace(SMALL, size=size, clips=40)
        return max(len(request.instance_id) for request in BankSource("x", three, config).requests())

    assert (largest(64), largest(512), largest(1024)) == (16, 6, 1)
    requests = BankSource("x", three, dataclasses.replace(SMALL, clips=20, held_out=3)).requests()
    first = [request for request in requests if request.class_id == 0]
    assert [i for r in first for i in r.instance_id] == [
        *range(20),
        *range(FIRST_VALIDATION_ID, FIRST_VALIDATION_ID + 3),
    ]
    assert [h for r in first for h in r.held_out] == [False] * 20 + [True] * 3


def test_classes_are_spread() -> None:
    assert spread(10, 3) == [0, 4, 9]
    assert spread(3, 10) == [0, 1, 2]
    assert spread(5, 1) == [0]


def test_every_figure_has_a_row(three: ClassBank) -> None:
    labels = [row.label for row in rows([measured(three)])]
    assert all(figure.label in labels for figure in FIGURES)
    assert Band().low < Band().high


def test_what_is_measured_is_kept_before_the_probe(
    three: ClassBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.save(tmp_path / "classes.npz")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fractalvid.stats.measure.motion_probe", interrupted)
    config = dataclasses.replace(SMALL, motion_probe=True, probe=TINY_PROBE)
    with pytest.raises(KeyboardInterrupt):
        stats([tmp_path / "classes.npz"], tmp_path / "out", config, workers=1, progress=False)
    assert json.loads((tmp_path / "out" / "stats.json").read_text(encoding="utf-8"))
    assert (tmp_path / "out" / "stats.html").stat().st_size > 1000
