"""Masks by a detector: made once, whole, and resumed; what Mask R-CNN says becomes a mask."""

from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fractalvid.finetune.cache.frames import Bytes
from fractalvid.finetune.cli import main
from fractalvid.finetune.debias import detector
from fractalvid.finetune.debias.masks import Mask, read_mask
from fractalvid.utils.errors import UserError
from tests.finetune.debias.helpers import facts, figure, put_mask


class Fake(nn.Module):
    """Finds a person, one below the threshold, and a bicycle."""

    def forward(self, pictures: list[Tensor]) -> list[dict[str, Tensor]]:
        masks = torch.zeros(3, 1, *pictures[0].shape[1:])
        masks[0, 0, 2:4], masks[0, 0, 4:6], masks[1, 0, 8:], masks[2, 0, 10:] = 0.9, 0.3, 1.0, 1.0
        labels, scores = torch.tensor([1, 1, 2]), torch.tensor([0.8, 0.4, 0.9])
        return [{"labels": labels, "scores": scores, "masks": masks}]


def test_people_above_the_threshold_become_masks() -> None:
    found = detector.PersonDetector("cpu", Fake())(np.zeros((2, 12, 8, 3), np.uint8))
    wanted = np.zeros((2, 12, 8), np.bool_)
    wanted[:, 2:4] = True
    np.testing.assert_array_equal(found, wanted)


def test_offline_the_error_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(**_: object) -> nn.Module:
        raise URLError("no network")

    monkeypatch.setattr(detector, "maskrcnn_resnet50_fpn_v2", offline)
    with pytest.raises(UserError, match=r"cannot be downloaded .*no network.*; put https://\S+\.pth into") as error:
        detector.PersonDetector("cpu")
    assert "\n" not in str(error.value)


def test_prepare_makes_what_is_lacking_and_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = list[int]()

    def some(frames: Bytes) -> Mask:
        if len(seen) == 5:
            raise UserError("stopped")
        seen.append(len(frames))
        return figure(len(frames))

    monkeypatch.setattr(detector, "PersonDetector", lambda _: some)
    words = ["prepare", "--target", "folder", "--data", str(data), "--masks", str(tmp_path / "m"), "--no-progress"]
    words += ["--cache-dir", str(tmp_path / "cache")]
    assert main(words) == 2
    assert len(list((tmp_path / "m").rglob("*.png"))) == 5 and not list((tmp_path / "m").rglob("*.tmp"))
    monkeypatch.setattr(detector, "PersonDetector", lambda _: lambda frames: figure(len(frames)))
    assert main(words) == 0
    assert "masks     7 videos now, 5 were there" in capsys.readouterr().out
    np.testing.assert_array_equal(read_mask(tmp_path / "m" / "train/dark/1.mp4.png", facts(7)), figure(7))
    monkeypatch.setattr(detector, "PersonDetector", lambda _: pytest.fail("there is nothing to do"))
    assert main(words) == 0
    put_mask(tmp_path / "m", "train/dark/1.mp4", figure(3))
    assert main(words) == 2
    assert "7 frames of 48 x 36" in capsys.readouterr().err


def test_large_masks_are_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "MOST_IN_A_PICTURE", 10)
    detector.write_mask(tmp_path, "a/b.mp4", figure(5))
    np.testing.assert_array_equal(read_mask(tmp_path / "a" / "b.mp4.npz", facts(5)), figure(5))
