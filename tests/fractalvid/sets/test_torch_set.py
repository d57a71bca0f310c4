"""Generated sets as PyTorch data sets: what is on disk comes out as a network wants it, from every format."""

import io
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fractalvid.core.colour import ColourConfig
from fractalvid.fractals.bank import ClassBank
from fractalvid.kinds import render_clip
from fractalvid.sets import SetConfig, generate
from fractalvid.sets.formats import FORMATS
from fractalvid.sets.formats.encodings import DecodeError
from fractalvid.sets.formats.shards import mask_offset
from fractalvid.sets.reader import SetReader
from fractalvid.sets.torch_set import FractalSet
from fractalvid.sets.verification import verify
from fractalvid.utils.errors import UserError

BANK = ClassBank.sample(3, seed=3)
Sets = Callable[[str], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Sets:
    """A set of each format, with masks, made when first asked for."""
    root = tmp_path_factory.mktemp("sets")

    def of(kept: str) -> Path:
        out = root / kept
        if not out.exists():
            options: dict[str, Any] = {"shard_size": 4} if FORMATS[kept].sharded else {}
            options |= {"crf": 4} if FORMATS[kept].video else {}
            config = SetConfig(clips=2, size=32, points=2000, masks=True, format=kept, **options)  # type: ignore[arg-type]
            generate(BANK, out, config, workers=2, progress=False)
        return out

    return of


def rendered(class_id: int, instance_id: int, frames: int | None = None) -> np.ndarray:
    return render_clip(BANK, class_id, instance_id, size=32, points=2000, frames=frames)


@pytest.mark.parametrize("kept", FORMATS)
def test_items_are_the_clips(made: Sets, kept: str) -> None:
    clips = FractalSet(made(kept), dtype=torch.uint8, masks=True)
    assert len(clips) == 6
    assert clips.classes == ["000000", "000001", "000002"]
    assert clips.targets == [target for _, target, _ in (clips[i] for i in range(6))]
    assert clips.class_to_idx == {"000000": 0, "000001": 1, "000002": 2}
    seen = set()
    for row, (video, target, mask) in zip(clips.rows, (clips[i] for i in range(6)), strict=True):
        expected = rendered(row.class_id, row.instance_id, 1 if FORMATS[kept].still else None)
        assert video.shape == (3, *expected.shape)
        assert video.dtype == torch.uint8
        assert np.abs(video.numpy().astype(int) - expected).mean() < (3 if FORMATS[kept].video else 1e-9)
        assert torch.equal(video[0], video[2])
        assert np.array_equal(mask.numpy(), expected > 0)
        assert target == row.class_id
        seen.add((target, row.instance_id))
    assert len(seen) == 6


def test_what_a_notebook_shows_of_a_set_is_a_line(made: Sets) -> None:
    path = made("npz")
    assert repr(FractalSet(path)) == f"FractalSet({str(path)!r}, 6 clips of 3 classes, 32 x 32, npz, seed=3)"


@pytest.mark.parametrize("kept", FORMATS)
@pytest.mark.parametrize("workers", [0, 2])
def test_batches(made: Sets, kept: str, workers: int) -> None:
    batches = list(DataLoader(FractalSet(made(kept), frames=1), batch_size=4, num_workers=workers))
    assert [tuple(video.shape) for video, _ in batches] == [(4, 3, 1, 32, 32), (2, 3, 1, 32, 32)]
    video, target = batches[0]
    assert video.dtype == torch.float32
    assert target.dtype == torch.int64
    assert 0 <= video.min() < video.max() <= 1


def test_equidistant_frames(made: Sets) -> None:
    whole, some = (FractalSet(made("npz"), frames=n, masks=True) for n in (None, 4))
    for i in range(len(whole)):
        times = np.linspace(0, whole[i][0].shape[1] - 1, 4).round().astype(int)
        assert torch.equal(some[i][0], whole[i][0][:, times])
        assert torch.equal(some[i][2], whole[i][2][times])
    many = FractalSet(made("npz"), frames=50)[0][0]
    assert many.shape[1] == 50
    assert torch.equal(many[:, [0, 49]], whole[0][0][:, [0, -1]])


@pytest.mark.parametrize("kept", FORMATS)
def test_colour(tmp_path: Path, kept: str) -> None:
    config = SetConfig(clips=1, size=48, points=20_000, masks=True, format=kept, colour=ColourConfig())  # type: ignore[arg-type]
    generate(BANK, tmp_path / "set", config, workers=2, progress=False)
    clips = FractalSet(tmp_path / "set", dtype=torch.uint8, masks=True)
    for row, (video, _, mask) in zip(clips.rows, (clips[i] for i in range(3)), strict=True):
        frames = 1 if FORMATS[kept].still else None
        options: dict[str, Any] = {"size": 48, "points": 20_000, "frames": frames}
        expected = render_clip(BANK, row.class_id, 0, colour=ColourConfig(), **options)
        found = np.moveaxis(video.numpy(), 0, -1)
        assert found.shape == expected.shape
        # 4:2:0 keeps colours at half the resolution.
        assert np.abs(found.astype(int) - expected).mean() < (12 if FORMATS[kept].video else 1e-9)
        assert np.array_equal(mask.numpy(), render_clip(BANK, row.class_id, 0, **options) > 0)
    assert verify(tmp_path / "set", workers=2, progress=False).clean
    with pytest.raises(UserError, match="3 channels"):
        FractalSet(tmp_path / "set", channels=1)


def test_one_channel_and_a_transform(made: Sets) -> None:
    plain = FractalSet(made("mp4"), channels=1)[0][0]
    assert plain.shape[0] == 1
    turned = FractalSet(made("mp4"), channels=1, transform=lambda video: video.flip(-1))[0][0]
    assert torch.equal(turned, plain.flip(-1))
    assert torch.equal(FractalSet(made("mp4"))[0][0], plain.expand(3, -1, -1, -1))


def test_a_copy_in_another_process_is_the_same(made: Sets) -> None:
    clips = FractalSet(made("webdataset"))
    assert torch.equal(pickle.loads(pickle.dumps(clips))[3][0], clips[3][0])
    with pytest.raises(IndexError):
        clips[6]


def test_bytes_that_hold_no_arrays_are_one_line() -> None:
    array, text, video = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(array, np.zeros((3, 4, 4), np.uint8))
    with zipfile.ZipFile(text, "w") as archive:
        archive.writestr("video", "no array")
    np.savez(video, video=np.zeros((3, 4, 4), np.uint8))
    assert FORMATS["npz"].decode(video.getvalue(), False).shape == (3, 4, 4)
    # The flag of a member, in the archive's directory, that says it is encrypted.
    locked = bytearray(video.getvalue())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + flags] |= 1
    for data, said in (
        (array.getvalue(), "BadZipFile"),
        (locked, "RuntimeError"),
        (text.getvalue(), "no array video"),
        (b"", "no clip"),
    ):
        with pytest.raises(DecodeError, match=said):
            FORMATS["npz"].decode(bytes(data), False)


def test_what_cannot_be_had_is_one_line(made: Sets, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no generated set"):
        FractalSet(tmp_path)
    generate(BANK, tmp_path / "set", SetConfig(clips=1, size=32, points=2000), workers=1, hours=1e-9, progress=False)
    with pytest.raises(UserError, match="no clips yet"):
        FractalSet(tmp_path / "set")
    generate(BANK, tmp_path / "set", SetConfig(clips=1, size=32, points=2000), workers=1, progress=False)
    with pytest.raises(UserError, match="--masks"):
        FractalSet(tmp_path / "set", masks=True)
    wrong: list[dict[str, Any]] = [{"frames": 0}, {"channels": 2}, {"dtype": torch.float64}]
    for options in wrong:
        with pytest.raises(UserError, match=next(iter(options))):
            FractalSet(tmp_path / "set", **options)
    (tmp_path / "set" / SetReader(tmp_path / "set").rows[1].path).write_bytes(b"")
    with pytest.raises(UserError, match=r"clip 1/0 .* is cut short; fractalvid verify .* --repair") as error:
        FractalSet(tmp_path / "set")[1]
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value)
    loader = DataLoader(FractalSet(tmp_path / "set"), num_workers=1)
    with pytest.raises(UserError, match=r"clip 1/0 .* is cut short"):
        list(loader)


@pytest.mark.parametrize("kept", FORMATS)
def test_damage_that_a_decoder_would_not_find_is_found(tmp_path: Path, kept: str) -> None:
    config = SetConfig(clips=1, size=32, points=2000, masks=True, format=kept)  # type: ignore[arg-type]
    generate(BANK, tmp_path / "set", config, workers=1, progress=False)
    row = SetReader(tmp_path / "set").rows[1]
    assert not verify(tmp_path / "set", workers=1, progress=False).problems
    where = (row.files()[-1], mask_offset(row) if row.offset else 0, row.mask_bytes), (row.path, row.offset, row.bytes)
    for damaged, (name, start, size) in enumerate(where, 1):
        data = bytearray((tmp_path / "set" / name).read_bytes())
        data[start + size // 2] ^= 1
        (tmp_path / "set" / name).write_bytes(data)
        with pytest.raises(UserError, match=r"clip 1/0 .* its bytes are not what the manifest says; fractalvid verify"):
            FractalSet(tmp_path / "set", masks=True)[1]
        said = "\n".join(verify(tmp_path / "set", workers=1, progress=False).lines())
        assert said.count("its bytes are not what the manifest says") == damaged


@pytest.mark.parametrize("kept", ["mp4", "webdataset"])
def test_files_that_are_missing_are_named_before_anything_is_read(tmp_path: Path, kept: str) -> None:
    config = SetConfig(clips=2, size=32, points=2000, masks=True, format=kept)  # type: ignore[arg-type]
    generate(BANK, tmp_path / "set", config, workers=1, progress=False)
    rows = SetReader(tmp_path / "set").rows
    assert len(FractalSet(tmp_path / "set", masks=True)) == 6
    for name, masks in ((rows[3].files()[-1], True), (rows[3].path, False)):
        (tmp_path / "set" / name).unlink(missing_ok=True)
        with pytest.raises(UserError, match=rf"clip \d/\d of .*{name} is missing; fractalvid verify .* --repair"):
            FractalSet(tmp_path / "set", masks=masks)
    shutil.rmtree((tmp_path / "set" / rows[0].path).parent)
    with pytest.raises(UserError, match=f"{rows[0].path} is missing"):
        FractalSet(tmp_path / "set")


def test_a_missing_mask_is_no_matter_where_masks_are_not_wanted(tmp_path: Path) -> None:
    generate(BANK, tmp_path / "set", SetConfig(clips=1, size=32, points=2000, masks=True), workers=1, progress=False)
    (tmp_path / "set" / SetReader(tmp_path / "set").rows[1].files()[1]).unlink()
    assert FractalSet(tmp_path / "set")[1][1] == 1
    with pytest.raises(UserError, match=r"clip 1/0 .* is missing"):
        FractalSet(tmp_path / "set", masks=True)


@pytest.mark.parametrize("clip", ["7,0", "-1,0", "0,9"])
def test_clips_that_the_set_does_not_have_are_refused(tmp_path: Path, clip: str) -> None:
    generate(BANK, tmp_path / "set", SetConfig(clips=1, size=32, points=2000), workers=1, progress=False)
    manifest = tmp_path / "set" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(".mp4,1,0,", f".mp4,{clip},"))
    with pytest.raises(UserError, match=f"has no clip {clip.replace(',', '/')}, which its manifest names; .*verify"):
        FractalSet(tmp_path / "set")


def padded(items: list[Any]) -> tuple[list[int], int]:
    return [target for _, target in items], max(video.shape[1] for video, _ in items)


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_of_whole_clips_say_what_is_missing(made: Sets, workers: int) -> None:
    clips = FractalSet(made("mp4"))
    lengths = [row.frames for row in clips.rows]
    assert len(set(lengths)) > 1
    with pytest.raises(UserError, match=r"frames make no batch: give FractalSet frames=, as in frames=8"):
        next(iter(DataLoader(clips, batch_size=6, num_workers=workers)))
    assert list(DataLoader(clips, batch_size=6, collate_fn=padded)) == [(clips.targets, max(lengths))]
    alone = next(iter(DataLoader(clips, num_workers=workers)))
    assert isinstance(alone, list) and alone[0].shape == (1, 3, lengths[0], 32, 32)
    video, target = next(iter(DataLoader(clips, batch_size=None)))
    assert (video.shape[1], target) == (lengths[0], 0)
    like = [place for place, length in enumerate(lengths) if length == lengths[0]]
    batch = next(iter(DataLoader(torch.utils.data.Subset(clips, like), batch_size=6)))
    assert batch[0].shape[0] == len(like) and batch[1].tolist() == [clips.targets[place] for place in like]
    videos, _ = next(iter(DataLoader(FractalSet(made("mp4"), frames=8), batch_size=6, num_workers=workers)))
    assert videos.shape == (6, 3, 8, 32, 32)


@pytest.mark.parametrize("outside", ["{root}/other.mp4", "../other.mp4", "clips/../../other.mp4"])
def test_a_manifest_names_no_files_outside_of_the_set(made: Sets, tmp_path: Path, outside: str) -> None:
    shutil.copytree(made("mp4"), tmp_path / "set")
    inside = SetReader(tmp_path / "set").rows[0].path
    shutil.copy(tmp_path / "set" / inside, tmp_path / "other.mp4")
    manifest = tmp_path / "set" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(inside, outside.format(root=tmp_path)))
    with pytest.raises(
        UserError, match=r"other\.mp4 is no file of the set; fractalvid verify .* --repair makes it again"
    ):
        FractalSet(tmp_path / "set")[0]
    assert verify(tmp_path / "set", workers=1, progress=False).problems[0].path == "manifest.csv"


def test_a_set_that_is_not_complete_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(BANK, tmp_path / "set", SetConfig(clips=2, size=32, points=2000), workers=1, progress=False)
    assert len(FractalSet(tmp_path / "set")) == 6
    assert "not complete" not in capsys.readouterr().err
    manifest = tmp_path / "set" / "manifest.csv"
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:-1]))
    assert len(FractalSet(tmp_path / "set")) == 5
    assert f"note: {tmp_path / 'set'} is not complete: 5 of 6 clips" in capsys.readouterr().err
