"""Boxes over time as masks, their agreement with saliency, pictures of it, and the command."""

import json
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from fractalvid.finetune.cli.commands import main
from fractalvid.finetune.explain.pictures import contact_sheet, mark, overlay
from fractalvid.finetune.explain.run import Explainer, stage_path
from fractalvid.finetune.explain.tubes import Box, peak, read_boxes, tube_iou, tube_mask
from fractalvid.finetune.weights.trained import open_trained
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights import Card, load_card, save_weights
from fractalvid.utils.errors import UserError
from fractalvid.video import reader
from fractalvid.video.encoding.writer import write_video

HEADER = "video,time,x1,y1,x2,y2\n"


def test_boxes_become_masks_of_the_frames_that_are_near() -> None:
    boxes = [Box(0.0, 0.25, 0, 0.75, 0.5, "line 2"), Box(3.0, 0.5, 0.5, 1, 1, "line 3")]
    mask = tube_mask(boxes, np.array([0.0, 1.0, 1.5, 2.5]), 3.0, (40, 80), 8)
    wanted = np.zeros((4, 8, 8), bool)
    wanted[:2, :4] = True  # half of a frame twice as wide as high is all of its middle square
    wanted[3, 4:, 4:] = True
    np.testing.assert_array_equal(mask, wanted)  # and second 1.5 is far from both


def test_agreement_is_intersection_over_union() -> None:
    saliency = np.zeros((2, 4, 4), np.float32)
    saliency[0, 1, 1:4] = 0.6
    saliency[1, 2, 3] = 1
    mask = np.zeros((2, 4, 4), bool)
    mask[0, 1, 2:4] = mask[0, 2, 2:4] = True
    assert tube_iou(saliency, mask, 0.5) == 2 / 6
    assert tube_iou(saliency, mask, 0.7) == 0
    assert tube_iou(saliency * 0, mask & False, 0.5) == 0
    assert peak(saliency) == (1, 2, 3)
    assert peak(saliency * 0) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("video,time\n", "no column 'x1'"),
        (HEADER + "a.avi,0,0.5,0.1,0.4,0.9\n", "line 2: 0.5, 0.1, 0.4, 0.9 is no box inside the frame"),
        (HEADER + "a.avi,0,0,0,1.5,1\n", "no box inside the frame"),
        (HEADER + "a.avi,now,0,0,1,1\n", "no number"),
    ],
)
def test_tables_without_boxes_are_refused(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(UserError, match=told):
        read_boxes(tmp_path / "b.csv")


def test_boxes_outside_the_clip_are_refused() -> None:
    with pytest.raises(UserError, match="line 7: second 9 lies outside the video, which lasts 2 seconds"):
        tube_mask([Box(9, 0, 0, 1, 1, "line 7")], np.zeros(2), 2.0, (8, 8), 8)


def test_pictures_show_saliency_and_leave_the_rest() -> None:
    frames = np.full((2, 6, 6, 3), 100, np.uint8)
    saliency = np.zeros((2, 6, 6), np.float32)
    saliency[1, 3, 3] = 1
    shown = overlay(frames, saliency)
    assert (shown[0] == 100).all()
    assert shown[1, 3, 3, 0] > 150 > shown[1, 3, 3, 2]
    crossed = mark(frames, (0, 0, 0), None)
    assert (crossed[0, 0, :4] == 255).all()
    assert (crossed[1] == 100).all()
    assert (mark(frames, (None, 0, 0), None)[:, 0, :4] == 255).all()  # of no frame, it is in all
    assert contact_sheet([frames, shown]).shape == (20, 20, 3)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network that tells two classes, as a run of finetune leaves them."""
    path = tmp_path_factory.mktemp("run") / "weights.safetensors"
    card = Card(
        architecture="r3d_10", num_classes=2, clip_len=4, size=32, frame_stride=1, mean=(0.4,) * 3, std=(0.2,) * 3,
        seed=0, stream_version=None, config={"classes": ["clap", "wave"]}, metrics={}, precision="fp32",
    )  # fmt: skip
    save_weights(path, build_model("r3d_10", 2, seed=0), card)
    return path


def test_a_network_that_gives_no_numbers_is_an_error(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = build_model("r3d_10", 2, seed=0)
    with torch.no_grad():
        network.get_parameter("fc.bias")[0] = torch.nan
    save_weights(tmp_path / "nan.safetensors", network, load_card(weights))
    write_video(tmp_path / "a.mp4", np.zeros((8, 36, 48, 3), np.uint8), fps=4)
    words = ["explain", "--weights", tmp_path / "nan.safetensors", "--out", tmp_path / "out", "--stage", "stage2"]
    assert main([str(word) for word in (*words, "--no-progress", tmp_path / "a.mp4")]) == 2
    assert "the network's outputs are not finite" in capsys.readouterr().err


@pytest.fixture(scope="module")
def seeing(weights: Path) -> Path:
    """Weights for which all maps of the last stages speak for one class, whatever is seen."""
    network = build_model("r3d_10", 2, seed=0)
    with torch.no_grad():
        head = network.get_submodule("fc")
        head.get_parameter("weight").copy_(torch.tensor([[-1.0], [1.0]]).expand(2, 256))
        head.get_parameter("bias").zero_()
    path = weights.parent / "seeing.safetensors"
    save_weights(path, network, load_card(weights))
    return path


def test_the_command_leaves_numbers_and_pictures(weights: Path, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (8, 36, 48, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", frames, fps=4)
    (tmp_path / "b.csv").write_text(HEADER + "a.mp4,0.5,0.1,0.1,0.9,0.9\n")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    out, boxes = tmp_path / "out", str(tmp_path / "b.csv")
    videos = [str(tmp_path / "a.mp4"), str(tmp_path / "broken.mp4")]
    asked = ["explain", "--weights", str(weights), "--out", str(out), "--boxes", boxes, "--of", "wave", "--no-progress"]
    asked += ["--stage", "stage2"]
    assert main([*asked, *videos]) == 1  # one can't be read
    told = json.loads((out / "explain.json").read_text())
    (found,) = told["videos"]
    assert told["maps"] == {"times": 2, "rows": 4, "columns": 4}
    assert found["class"] == "wave"
    assert 0 <= found["tube_iou"] <= 1
    assert found["peak"] is None or set(found["peak"]) == {"frame", "y", "x", "seconds"}
    assert Image.open(out / "0000_a.png").size == (4 * 68, 2 * 68)
    assert (out / "0000_a.mp4").exists()
    assert main([*asked, *videos]) == 2  # the folder is not empty


def test_isolated_videos_are_decoded_in_a_child(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (8, 36, 48, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", frames, fps=4)
    asked = ["explain", "--weights", str(weights), "--no-progress", str(tmp_path / "a.mp4"), "--out"]
    assert main([*asked, str(tmp_path / "here")]) == 0
    monkeypatch.setattr(reader, "decoded", None)  # in this process nothing decodes any more
    assert main([*asked, str(tmp_path / "apart"), "--isolate"]) == 0
    assert (tmp_path / "apart" / "explain.json").read_bytes() == (tmp_path / "here" / "explain.json").read_bytes()


@pytest.mark.parametrize(("second", "inside"), [(9.0, True), (4.0, False)])
def test_seconds_are_those_of_the_frames_and_not_of_a_mean_rate(
    weights: Path, tmp_path: Path, second: float, inside: bool
) -> None:
    """The middle clip of 8 frames a second apart and 24 frames at 24 a second lies behind second 8."""
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=24)
        stream.height, stream.width, stream.pix_fmt = 36, 48, "yuv420p"
        for number in range(32):
            image = np.random.default_rng(number).integers(0, 255, (36, 48, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = 24 * min(number, 8) + max(0, number - 8)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    box = Box(second, 0, 0, 1, 1, "line 2")
    found = Explainer(open_trained(weights), device="cpu", stage="stage2").explain(
        tmp_path / "a.mp4", [box], threshold=0.5, max_pixels=10**6
    )
    assert found.peak is not None and found.peak.frame is not None
    assert found.time == pytest.approx(8 + (14 + found.peak.frame - 8) / 24, abs=1e-3)
    assert found.mask is not None
    assert (bool(found.mask.all()), bool(found.mask.any()), found.inside) == (inside,) * 3


def explained(
    weights: Path, tmp_path: Path, *options: str, boxes: str = "a.mp4,0.5,0,0,1,1\n"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What explain.json says, and of that the one video, whose frames are noise."""
    frames = np.random.default_rng(0).integers(0, 255, (8, 36, 48, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", frames, fps=4)
    (tmp_path / "b.csv").write_text(HEADER + boxes)
    asked = ["explain", "--weights", str(weights), "--out", str(tmp_path / "out"), "--boxes", str(tmp_path / "b.csv")]
    assert main([*asked, "--device", "cpu", *options, str(tmp_path / "a.mp4")]) == 0
    told: dict[str, Any] = json.loads((tmp_path / "out" / "explain.json").read_text())
    return told, told["videos"][0]


def test_one_time_and_one_place_are_not_told_as_if_measured(
    seeing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, found = explained(seeing, tmp_path)
    assert told["maps"] == {"times": 1, "rows": 1, "columns": 1}
    assert found["peak"] == {"frame": None, "y": None, "x": None, "seconds": None}
    assert (found["tube_iou"], found["peak_inside"]) == (None, None)
    said = capsys.readouterr()
    note = "maps of stage4 have 1 time and 1 place, so the peak's frame and place say nothing; --stage stage2 is finer"
    assert said.err.count(f"note: {note}\n") == 1
    assert re.search(r"a\.mp4: wave \d+\.\d %\n", said.out)


@pytest.mark.parametrize(("boxes", "inside"), [("a.mp4,0.5,0,0,1,1\n", True), ("a.mp4,2,0,0,1,1\n", None)])
def test_one_time_leaves_the_place(
    boxes: str, inside: bool | None, seeing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clip is of seconds 0.5 to 1.25; a box of second 2 is in two of its frames, and maybe not in the peak's."""
    told, found = explained(seeing, tmp_path, "--stage", "stage3", boxes=boxes)
    assert told["maps"] == {"times": 1, "rows": 2, "columns": 2}
    assert (found["peak"]["frame"], found["peak"]["seconds"]) == (None, None)
    assert (found["peak"]["y"], found["peak"]["x"]) != (None, None)
    assert 0 < found["tube_iou"] <= 1
    assert found["peak_inside"] is inside
    said = capsys.readouterr()
    note = "maps of stage3 have 1 time and 2 x 2 places, so the peak's frame says nothing; --stage stage2 is finer"
    assert f"note: {note}\n" in said.err
    assert re.search(r"wave \d+\.\d %, peak at row \d+, column \d+, tube IoU \d\.\d+\n", said.out)


def test_maps_of_times_and_places_tell_all(seeing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = explained(seeing, tmp_path, "--stage", "stage2")
    assert None not in found["peak"].values()
    said = capsys.readouterr()
    assert "note:" not in said.err
    assert re.search(r"peak at frame \d, row \d+, column \d+ \([\d.]+ s\), tube IoU", said.out)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--threshold", "0"], "--threshold is 0"),
        (["--of", "waev"], "--of 'waev' is no class of the weights"),
        (["--stage", "stage9"], "r3d_10 has stem, stage1"),
    ],
)
def test_what_can_not_be_explained_is_refused(
    options: list[str], told: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "--weights", str(weights), "--out", str(tmp_path / "out"), *options, "a.mp4"]) == 2
    assert told in capsys.readouterr().err


def test_stages_without_places_are_none() -> None:
    assert stage_path("x3d_s", None) == "layer4"
    assert stage_path("r3d_10", "stem") == "stem"
    with pytest.raises(UserError, match=r"x3d_s has stem, stage1, stage2, stage3, stage4$"):
        stage_path("x3d_s", "stage5")
