"""The other kinds on the command line: one option, their ranges, and what they refuse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.kinds import KINDS, load_bank
from fractalvid.sets.manifest import read_manifest
from fractalvid.utils.errors import UserError
from tests.fractalvid.command import fractalvid

DRAWN = [name for name in KINDS if name != "ifs"]
TINY = ["--size", "32", "--clips", "1", "--frames", "2"]


@pytest.mark.parametrize("kind", DRAWN)
def test_classes_generate_preview(kind: str, tmp_path: Path) -> None:
    bank, out = tmp_path / "classes.npz", tmp_path / "set"
    assert fractalvid("classes", "--kind", kind, "--classes", 3, "--seed", 5, "--out", bank) == 0
    assert load_bank(bank).kind == kind
    assert fractalvid("generate", "--bank", bank, "--out", out, *TINY) == 0
    # The same by its name: the set that is there is already complete.
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")}
    assert fractalvid("generate", "--kind", kind, "--classes", 3, "--seed", 5, "--out", out, *TINY) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.mp4")} == before
    assert len(before) == 3
    assert fractalvid("preview", out, "--out", tmp_path / "a", "--clips", 3, "--size", 32) == 0
    assert fractalvid("preview", bank, "--out", tmp_path / "b", "--clips", 3, "--size", 32) == 0


def test_clips_without_classes(tmp_path: Path) -> None:
    out = tmp_path / "set"
    assert (
        fractalvid("generate", "--kind", "octopus", "--unlabelled", 3, "--out", out, "--size", 32, "--frames", 2) == 0
    )
    assert len(read_manifest(out / "manifest.csv")) == 3


def test_ranges_are_options(tmp_path: Path) -> None:
    path = tmp_path / "circles.npz"
    still = " ".join(f"--shapes.{name} 0 0" for name in ("speed", "acceleration", "spin", "pulse", "shear"))
    options = ["--shapes.shapes", "circle", "--shapes.textures", "flat", *still.split()]
    assert fractalvid("classes", "--kind", "shapes", "--classes", 8, "--out", path, *options) == 0
    bank: Any = load_bank(path)
    assert bank.config.shapes == ("circle",)
    assert (bank.sides == 0).all()
    fit = bank.draw(np.arange(8), np.zeros(8, np.int64))
    place = bank.layers_at(fit, np.tile([0.0, 8.0, 17.0], (8, 1))).place
    assert np.array_equal(place[:, 0], place[:, 2])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["classes", "--kind", "waves"], "waves"),
        (["classes", "--kind", "shapes", "--motion", "linear"], "--motion belongs to fractals"),
        (["classes", "--kind", "shapes", "--perlin.drift", "0", "0.1"], "need --kind perlin"),
        (["classes", "--dead-leaves.cover", "2", "3"], "--dead-leaves.* need --kind dead_leaves"),
        (["classes", "--kind", "shapes", "--shapes.speed", "0.2", "0.1"], "speed must be a range"),
        (["classes", "--kind", "shapes", "--shapes.textures", "fur"], "fur"),
        (["classes", "--kind", "shapes", "--shapes.max-shapes", "0"], "max_shapes"),
        (["classes", "--kind", "perlin", "--perlin.max-octaves", "9"], "octaves"),
        (["classes", "--kind", "perlin", "--perlin.variation", "1"], "variation"),
        (["classes", "--kind", "octopus", "--octopus.min-limbs", "9"], "limbs"),
        (["classes", "--kind", "octopus", "--octopus.variation", "2"], "variation"),
        (["classes", "--kind", "octopus", "--octopus.max-frames", "40"], "max_frames must be a whole number, 18 to 20"),
        (["classes", "--kind", "dead_leaves", "--dead-leaves.largest", "0.05", "0.3"], "smallest must end below"),
        (["classes", "--kind", "dead_leaves", "--dead-leaves.max-leaves", "9999"], "max_leaves"),
        (["generate", "--kind", "waves"], "waves"),
        (["generate", "--kind", "shapes", "--points", "5000"], "--points and --exposure belong"),
        (["generate", "--kind", "shapes", "--exposure", "max"], "--points and --exposure belong"),
        (["generate", "--kind", "shapes", "--interpolation", "naive"], "--interpolation belongs to fractals"),
        (["generate", "--bank", "a.npz", "--kind", "shapes"], "belongs to the bank"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    arguments: list[str], said: str, tmp_path: Path, refuses: Callable[..., None]
) -> None:
    refuses(said, *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", DRAWN)
def test_no_range_takes_nonsense(kind: str) -> None:
    config = type(KINDS[kind].config())
    for name, (least, most) in config.limits.items():
        for bad in ((most, least), (least - 1, most), (least, most + 1), (float("nan"), most)):
            with pytest.raises(UserError, match=f"{name} must be a range"):
                config(**{name: bad})
        if name not in ("smallest", "largest"):
            assert getattr(config(**{name: (least, most)}), name) == (least, most)
    for name in ("textures", "shapes", "leaves"):
        if name in config.__dataclass_fields__:
            for wrong in ((), ("nosuch",)):
                with pytest.raises(UserError, match=f"{name} must be (a tuple of )?some of"):
                    config(**{name: wrong})
