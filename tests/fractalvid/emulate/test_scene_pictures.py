"""One's own pictures as grounds of scenes: which are taken, what they become, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fractalvid.cli.preview import PreviewConfig, preview
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.config import EmulationConfig
from fractalvid.emulate.scene import pictures
from fractalvid.emulate.scene.config import SceneConfig
from fractalvid.emulate.scene.pictures import list_pictures, packed_picture
from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.run import PretrainConfig
from fractalvid.pretrain.run.config import EngineConfig
from fractalvid.stream import FractalStream, StreamConfig, emulate_clips
from fractalvid.utils.errors import UserError

SCENE = EmulationConfig(scene=SceneConfig(p=1.0, pictured=1.0, veils=0))


@pytest.fixture(autouse=True)
def _fresh() -> None:
    """Folders and pictures are read once a process, and tests change theirs."""
    list_pictures.cache_clear()
    pictures.picture_tile.cache_clear()


def plain(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (30, 20)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def config(folder: Path, **options: Any) -> StreamConfig:
    chosen: dict[str, Any] = {"clip_len": 2, "size": 24, "points": 2000, "emulate": SCENE, "backgrounds": folder}
    return StreamConfig(**chosen | options)


def test_pictures_of_a_folder_by_name_without_what_is_hidden(tmp_path: Path) -> None:
    shown = [plain(tmp_path / name, (9, 9, 9)) for name in ("b.png", "a.JPG", "inside/c.webp")]
    for name in (".d.png", ".hidden/e.png"):
        plain(tmp_path / name, (9, 9, 9))
    (tmp_path / "notes.txt").write_text("no picture")
    assert list_pictures(tmp_path) == tuple(sorted(map(str, shown)))


def test_the_square_in_the_middle_becomes_a_tile(tmp_path: Path) -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[:, 10:30] = (200, 100, 50)
    Image.fromarray(picture).save(tmp_path / "a.png")
    tile = packed_picture(tmp_path, 0.99, 8, colour=True)
    assert (tile == 200 | 100 << 8 | 50 << 16 | 255 << 24).all()
    grey = packed_picture(tmp_path, 0.0, 8, colour=False)
    assert (grey & 255 == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()


def test_grounds_are_pictures_chosen_for_each_sample(bank: ClassBank, tmp_path: Path) -> None:
    colours = [(220, 30, 30), (30, 220, 30), (30, 30, 220)]
    for number, colour in enumerate(colours):
        plain(tmp_path / f"{number}.png", colour)
    stream = FractalStream(bank, batch_size=12, seed=3, config=config(tmp_path, colour=ColourConfig()))
    video = stream.at(np.arange(12)).video
    corner = (video[:, :, :, :2, :2] * 255).round()
    found = {tuple(corner[i, :, 0, 0, 0].int().tolist()) for i in range(12)}
    assert set(colours) <= found
    assert torch.equal(stream.at(np.arange(5, 8), threads=1).video, video[5:8])


@pytest.mark.parametrize("how", ["stream", "stored", "preview", "pretrain"])
@pytest.mark.parametrize("what", ["missing", "empty", "file"])
def test_what_is_no_folder_of_pictures_is_refused(bank: ClassBank, tmp_path: Path, what: str, how: str) -> None:
    folder = tmp_path / what
    if what == "empty":
        folder.mkdir()
        plain(folder / ".hidden.png", (9, 9, 9))
    if what == "file":
        plain(folder.with_suffix(".png"), (9, 9, 9)).rename(folder)
    bank.save(tmp_path / "classes.npz")
    clips = torch.zeros((1, 1, 4, 24, 24), dtype=torch.uint8)
    shown = PreviewConfig(clips=1, size=24, emulate=SCENE, backgrounds=folder)
    large = replace(config(folder), clip_len=8, size=112)
    ways: dict[str, Callable[[], Any]] = {
        "stream": lambda: FractalStream(bank, batch_size=4, seed=3, config=config(folder)),
        "stored": lambda: emulate_clips(clips, [[0, 0]], [0], bank=bank, config=config(folder), seed=3),
        "preview": lambda: preview(tmp_path / "classes.npz", tmp_path / "out", shown),
        "pretrain": lambda: PretrainConfig(stream=large, engine=EngineConfig(steps=9)).check(),
    }
    with pytest.raises(UserError, match=r"backgrounds .*(no such folder|holds no pictures)") as caught:
        ways[how]()
    assert "\n" not in str(caught.value)


def test_what_is_no_picture_or_too_large_is_named(
    bank: ClassBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    stream = FractalStream(bank, batch_size=4, seed=3, config=config(tmp_path))
    with pytest.raises(UserError, match=r"backgrounds hold .*a\.png: cannot be read .*take it out of the folder"):
        stream.at(np.arange(2))
    plain(tmp_path / "a.png", (9, 9, 9), (100, 100))
    monkeypatch.setattr(pictures, "MAX_PIXELS", 9999)
    with pytest.raises(UserError, match=r"backgrounds hold .*a\.png, which has more than .* make it smaller"):
        stream.at(np.arange(2))


def test_backgrounds_need_scenes(tmp_path: Path) -> None:
    plain(tmp_path / "a.png", (9, 9, 9))
    for emulate in (None, "paper"):
        with pytest.raises(UserError, match="without emulate scene there are none: add it"):
            config(tmp_path, emulate=emulate)
        with pytest.raises(UserError, match="without emulate scene there are none: add it"):
            PreviewConfig(emulate=None, backgrounds=tmp_path).check()


def test_a_preview_shows_them(bank: ClassBank, tmp_path: Path) -> None:
    plain(tmp_path / "pictures" / "a.png", (250, 250, 250))
    bank.save(tmp_path / "classes.npz")
    shown = PreviewConfig(clips=2, size=32, points=2000, emulate=SCENE, backgrounds=tmp_path / "pictures")
    sheet, *_ = preview(tmp_path / "classes.npz", tmp_path / "out", shown)
    assert (np.asarray(Image.open(sheet).convert("L")) == 250).mean() > 0.3
