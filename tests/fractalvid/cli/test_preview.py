"""The command that shows clips: of banks and of sets, spread over their classes, the broken ones left out."""

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from fractalvid.cli.preview import PreviewConfig, preview, spread_over_classes
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.emulate.config import EmulationConfig
from fractalvid.emulate.presets import PRESETS
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import sample_bank
from fractalvid.sets import SetConfig, generate
from fractalvid.sets.formats import FORMATS
from fractalvid.sets.manifest import read_manifest, write_manifest
from fractalvid.sets.reader import SetReader
from fractalvid.sets.verification import verify
from fractalvid.utils.errors import UserError

SMALL = PreviewConfig(clips=3, columns=4, size=32, points=2000)
STORED = replace(SMALL, points=PreviewConfig.points)
"""The same of clips that are rendered already."""


def images_of(page: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_files_are_spread_over_classes() -> None:
    classes = [[Path(f"{c}/{i}") for i in range(3)] for c in range(10)]
    assert {p.parent.name for p in spread_over_classes(classes, 4)} == {"0", "3", "6", "9"}
    assert len({p.parent.name for p in spread_over_classes(classes, 15)}) == 10
    assert len(spread_over_classes(classes, 15)) == 15
    assert len(spread_over_classes(classes, 99)) == 30
    assert spread_over_classes([[], []], 4) == []


def test_preview_of_a_bank(tmp_path: Path) -> None:
    ClassBank.sample(2, seed=0).save(tmp_path / "classes.npz")
    sheet, page = preview(tmp_path / "classes.npz", tmp_path / "out", SMALL)
    images = images_of(page.read_text())
    assert len(images) == 3  # more clips than classes: the first class shows a second instance
    assert all(image.size == (32, 32) for image in images)
    assert Image.open(sheet).height == 3 * 36 + 4


def made(out: Path, classes: int, **options: Any) -> Path:
    config = SetConfig(clips=1, size=32, points=2000, **options)
    generate(ClassBank.sample(classes, seed=0), out, config, workers=1, progress=False)
    return out


def test_preview_of_a_set_and_what_it_refuses_to_replace(tmp_path: Path) -> None:
    made(tmp_path / "set", 3, split="val")
    _, page = preview(tmp_path / "set", tmp_path / "out", STORED)
    assert re.findall("<figcaption>([^<]*)", page.read_text()) == [f"{c} · {FIRST_VALIDATION_ID}" for c in range(3)]
    before = page.read_bytes()
    with pytest.raises(UserError, match="--overwrite"):
        preview(tmp_path / "set", tmp_path / "out", STORED)
    assert page.read_bytes() == before
    preview(tmp_path / "set", tmp_path / "out", PreviewConfig(clips=1, size=32, overwrite=True))
    assert len(images_of(page.read_text())) == 1


@pytest.mark.parametrize("kept", FORMATS)
def test_preview_of_every_format(tmp_path: Path, kept: str) -> None:
    made(tmp_path / "set", 2, format=kept)
    _, page = preview(tmp_path / "set", tmp_path / "out", STORED)
    images = images_of(page.read_text())
    assert [getattr(image, "n_frames", 1) > 1 for image in images] == [not FORMATS[kept].still] * 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kept", FORMATS)
def test_every_format_is_filmed_without_a_warning(tmp_path: Path, kept: str) -> None:
    made(tmp_path / "set", 2, format=kept)
    config = PreviewConfig(clips=2, size=32, points=2000, emulate=PRESETS["light"])
    _, page = preview(tmp_path / "set", tmp_path / "out", config)
    assert len(images_of(page.read_text())) == 2


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_files_that_move(tmp_path: Path, kind: Literal["webp", "gif"]) -> None:
    made(tmp_path / "set", 2)
    config = PreviewConfig(clips=2, size=32, animate=kind)
    paths = preview(tmp_path / "set", tmp_path / "out", config)[2:]
    assert [path.name for path in paths] == [f"clip-0-0.{kind}", f"clip-1-0.{kind}"]
    reader = SetReader(tmp_path / "set")
    for path, row in zip(paths, reader.rows, strict=True):
        with Image.open(path) as image:
            assert image.format == kind.upper()
            assert getattr(image, "n_frames", 1) > 10
            first = np.asarray(image.convert("L")).astype(int)
        assert np.abs(first - reader.frames(row)[0]).mean() < 20
    (tmp_path / "out" / "sheet.png").unlink()
    (tmp_path / "out" / "gallery.html").unlink()
    with pytest.raises(UserError, match="clip-0-0"):
        preview(tmp_path / "set", tmp_path / "out", config)


def test_files_of_a_bank_are_named_by_class_and_where_needed_by_instance(tmp_path: Path) -> None:
    ClassBank.sample(2, seed=0).save(tmp_path / "classes.npz")
    for clips, names in ((2, ["clip-0.gif", "clip-1.gif"]), (3, ["clip-0-0.gif", "clip-0-1.gif", "clip-1-0.gif"])):
        config = replace(SMALL, clips=clips, animate="gif")
        paths = preview(tmp_path / "classes.npz", tmp_path / str(clips), config)[2:]
        assert [path.name for path in paths] == names


def test_moving_clips_of_an_earlier_call_go_where_it_is_overwritten(tmp_path: Path) -> None:
    ClassBank.sample(3, seed=0).save(tmp_path / "classes.npz")
    out, config = tmp_path / "out", replace(SMALL, clips=3, animate="gif")
    preview(tmp_path / "classes.npz", out, config)
    for name in ("clip-2.webp", "clip-mine.gif", "clip-2-1-0.gif"):
        (out / name).write_bytes(b"mine")
    preview(tmp_path / "classes.npz", out, replace(config, clips=2, overwrite=True))
    left = {path.name for path in out.glob("clip*")}
    assert left == {"clip-0.gif", "clip-2.gif", "clip-2.webp", "clip-mine.gif", "clip-2-1-0.gif"}


@pytest.mark.parametrize("source", ["missing", "empty_folder", "no_clips", "text.npz"])
def test_what_is_neither_bank_nor_set_is_one_clear_error(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty_folder").mkdir()
    (tmp_path / "no_clips" / "clips").mkdir(parents=True)
    (tmp_path / "text.npz").write_text("not a bank")
    with pytest.raises(UserError, match=source):
        preview(tmp_path / source, tmp_path / "out", STORED)
    assert not (tmp_path / "out" / "gallery.html").exists()


@pytest.mark.parametrize(
    "config",
    [
        PreviewConfig(clips=0),
        PreviewConfig(size=4),
        PreviewConfig(columns=0),
        PreviewConfig(points=0),
        PreviewConfig(points=3_000_000_000),
    ],
)
def test_impossible_numbers_are_refused(tmp_path: Path, config: PreviewConfig) -> None:
    with pytest.raises(UserError, match="must be"):
        preview(tmp_path, tmp_path / "out", config)


@pytest.mark.parametrize(
    "config", [PreviewConfig(clips=1000, size=1024), PreviewConfig(clips=300, columns=64, size=256)]
)
def test_what_no_memory_holds_is_refused_before_anything_is_read(tmp_path: Path, config: PreviewConfig) -> None:
    with pytest.raises(UserError, match="too much for a picture"):
        preview(tmp_path / "nosuch", tmp_path / "out", config)
    PreviewConfig(clips=100, size=256).check()
    PreviewConfig(clips=500).check()


@pytest.mark.parametrize("emulate", [None, PRESETS["light"]])
def test_long_clips_that_no_memory_holds_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulate: EmulationConfig | None
) -> None:
    def never(*arguments: Any, **options: Any) -> None:
        pytest.fail("read in vain")

    manifest = made(tmp_path / "set", 2, format="npz", frames=3) / "manifest.csv"
    rows = [replace(row, frames=10_000) for row in read_manifest(manifest)]
    write_manifest(manifest, rows)
    monkeypatch.setattr(SetReader, "frames", never)
    with pytest.raises(UserError, match="clips of 20000 frames of 128 pixels a side are too much to show at once"):
        preview(tmp_path / "set", tmp_path / "out", PreviewConfig(clips=2, size=128, emulate=emulate))
    assert not (tmp_path / "out").exists()


def test_pictures_may_be_as_large_as_their_sheet(tmp_path: Path) -> None:
    made(tmp_path / "set", 4, format="png")
    large = PreviewConfig(clips=40, columns=1, size=1024)  # of clips of 20 frames, 12 would be too many
    sheet, *_ = preview(tmp_path / "set", tmp_path / "out", large)
    assert Image.open(sheet).height == 4 * (1024 + 4) + 4
    ClassBank.sample(2, seed=0).save(tmp_path / "classes.npz")
    with pytest.raises(UserError, match="too much to show at once"):
        preview(tmp_path / "classes.npz", tmp_path / "bank", large)


@pytest.mark.parametrize("place", ["file/out", "under/sheet.png", "/proc/self"])
def test_an_unwritable_place_is_known_before_anything_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def never(*arguments: Any, **options: Any) -> None:
        pytest.fail("rendered in vain")

    ClassBank.sample(2, seed=0).save(tmp_path / "classes.npz")
    (tmp_path / "file").write_text("")
    (tmp_path / "under" / "sheet.png").mkdir(parents=True)
    monkeypatch.setattr("fractalvid.kinds.render_clip", never)
    out = (tmp_path / place).parent if place.endswith(".png") else tmp_path / place
    with pytest.raises(UserError, match=r"can't write .*choose another --out"):
        preview(tmp_path / "classes.npz", out, PreviewConfig(clips=3, size=32, overwrite=True))


@pytest.mark.parametrize("emulate", ["none", "light"])
def test_few_broken_clips_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], emulate: str
) -> None:
    made(tmp_path / "set", 3, format="npz")
    reader = SetReader(tmp_path / "set")
    first, second, _ = (tmp_path / "set" / row.path for row in reader.rows)
    config = PreviewConfig(clips=3, size=32, points=2000, overwrite=True, emulate=PRESETS[emulate])
    second.write_bytes(second.read_bytes()[:-20])
    _, page = preview(tmp_path / "set", tmp_path / "out", config)
    assert re.findall("<figcaption>([^<]*)", page.read_text()) == ["0 · 0", "2 · 0"]
    said = capsys.readouterr().err
    assert "left out 1 of 3 clips: clip 1/0" in said
    assert "--repair" in said
    first.unlink()
    with pytest.raises(UserError, match=r"clip 1/0 .*--repair"):
        preview(tmp_path / "set", tmp_path / "out", config)


def test_a_set_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    made(tmp_path / "set", 1, format="npz")
    (tmp_path / "set" / SetReader(tmp_path / "set").rows[0].path).unlink()
    with pytest.raises(UserError, match="clip 0/0"):
        preview(tmp_path / "set", tmp_path / "out", STORED)


def test_what_a_set_lacks_is_known_before_its_clips_are_filmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any, **options: Any) -> None:
        pytest.fail("read in vain")

    made(tmp_path / "set", 2, format="npz")
    config = PreviewConfig(clips=2, size=32, points=2000, emulate=PRESETS["light"])
    monkeypatch.setattr(SetReader, "frames", never)
    manifest = tmp_path / "set" / "manifest.csv"
    whole = manifest.read_text()
    manifest.write_text(whole.replace(".npz,1,0,", ".npz,5,0,"))
    with pytest.raises(UserError, match="has no clip 5/0, which its manifest names"):
        preview(tmp_path / "set", tmp_path / "out", config)
    manifest.write_text(whole)
    (tmp_path / "set" / "classes.npz").unlink()
    with pytest.raises(UserError, match=r"classes\.npz"):
        preview(tmp_path / "set", tmp_path / "out", config)
    assert not (tmp_path / "out").exists()


def test_points_belong_to_the_chaos_game(tmp_path: Path) -> None:
    sample_bank(2, kind="perlin", seed=0).save(tmp_path / "perlin.npz")
    with pytest.raises(UserError, match="--points belongs to the chaos game: leave it out for clips of perlin"):
        preview(tmp_path / "perlin.npz", tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()
    preview(tmp_path / "perlin.npz", tmp_path / "out", PreviewConfig(clips=2, columns=4, size=32))
    generate(
        sample_bank(2, kind="perlin", seed=0), tmp_path / "set", SetConfig(clips=1, size=32), workers=1, progress=False
    )
    filmed = PreviewConfig(clips=2, size=32, points=2000, emulate=PRESETS["light"])
    with pytest.raises(UserError, match="--points belongs to the chaos game"):
        preview(tmp_path / "set", tmp_path / "filmed", filmed)


@pytest.mark.parametrize("out", ["set", "set/preview", "set/clips/new", "link/preview", "set/../set"])
def test_nothing_else_is_put_into_a_set(tmp_path: Path, refuses: Callable[..., None], out: str) -> None:
    made(tmp_path / "set", 2, format="npz")
    (tmp_path / "link").symlink_to("set")
    ClassBank.sample(2, seed=0).save(tmp_path / "classes.npz")
    said = f"is in the generated set {tmp_path / 'set'}, which holds clips alone: choose another --out"
    for source in ("set", "classes.npz"):
        refuses(said, "preview", source, "--out", out)
        refuses(said, "stats", source, "--out", out)
    assert verify(tmp_path / "set", workers=1, progress=False).clean


def test_cards_of_others_are_in_nobodys_way(tmp_path: Path) -> None:
    made(tmp_path / "all" / "set", 1, format="npz")
    for content in ("", "[]", '{"name": "photographs"}'):
        (tmp_path / "all" / "dataset.json").write_text(content)
        preview(tmp_path / "all" / "set", tmp_path / "all" / "out", replace(STORED, overwrite=True))


def test_clips_of_a_set_have_their_points(tmp_path: Path) -> None:
    made(tmp_path / "set", 2, format="npz")
    with pytest.raises(UserError, match="set is a set, whose clips are rendered already: leave --points out"):
        preview(tmp_path / "set", tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()
