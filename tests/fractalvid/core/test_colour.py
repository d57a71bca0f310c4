"""Colour of clips: palettes that are names' functions, bright, varied and smooth; drift; masks that are exact."""

import io

import av
import numpy as np
import pytest

from fractalvid.core.colour import (
    DARKEST,
    ColourConfig,
    brightness_curve,
    colour_config,
    draw_palettes,
    foreground,
    map_colours,
)
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.fractals.bank import ClassBank
from fractalvid.fractals.fit import fit_fractals
from fractalvid.fractals.render import render_fractals
from fractalvid.kernels import MAX_COLOUR_POINTS
from fractalvid.kinds import render_clip
from fractalvid.utils.errors import UserError
from fractalvid.video.encoding.codecs import CODECS, available_codecs
from fractalvid.video.encoding.writer import encode_video
from fractalvid.video.reader import read_video

MANY = np.arange(300)
CONFIGS = [
    ColourConfig(),
    ColourConfig(gamma=3, vibrancy=0),
    ColourConfig(gamma=0.4, vibrancy=0.3),
    ColourConfig(0.1, 0),
]


def test_map_colours_are_spread_evenly_and_belong_to_the_class() -> None:
    num_maps = MANY % 6 + 3
    colours = map_colours(5, MANY, num_maps, 8)
    for row, n in zip(colours, num_maps, strict=True):
        assert np.allclose(np.sort(row[:n]), np.linspace(0, 1, n), atol=1e-6)
        assert np.all(row[n:] == 0)
    assert np.array_equal(map_colours(5, [17], num_maps[17:18], 8)[0], colours[17])
    assert not np.array_equal(map_colours(6, MANY, num_maps, 8), colours)
    assert len({tuple(row) for row in colours[num_maps == 5]}) > 20
    assert map_colours(5, [1], np.array([1]), 8).tolist() == [[0.0] * 8]


@pytest.mark.parametrize("config", CONFIGS)
def test_no_palette_is_dark(config: ColourConfig) -> None:
    palettes = draw_palettes(config, 0, MANY, MANY % 7)
    assert palettes.cycle.shape == (300, 512, 3)
    assert palettes.cycle.max(axis=2).min() >= DARKEST


def test_palettes_are_colourful_varied_and_smooth() -> None:
    palettes = draw_palettes(ColourConfig(), 0, MANY, 3)
    colours = palettes.at(np.zeros((300, 1)))[:, 0].astype(float)
    strength = (colours.max(axis=2) - colours.min(axis=2)).mean(axis=1)
    assert np.median(strength) > 90
    assert strength.min() > 20
    # Red, green or blue is the strongest about as often as another.
    strongest = np.bincount(colours.mean(axis=1).argmax(axis=1), minlength=3)
    assert strongest.min() > 45
    steps = np.abs(np.diff(np.concatenate([palettes.cycle, palettes.cycle[:, :1]], axis=1).astype(int), axis=1))
    assert steps.max() < 40
    assert len({row.tobytes() for row in palettes.cycle}) == 300


def test_palettes_are_functions_of_their_names() -> None:
    config = ColourConfig(drift=2)
    whole = draw_palettes(config, 9, MANY, MANY // 3)
    alone = draw_palettes(config, 9, [41], [41 // 3])
    assert np.array_equal(whole.cycle[41], alone.cycle[0])
    assert (whole.span[41], whole.drift[41]) == (alone.span[0], alone.drift[0])
    for seed, class_id, instance_id in ((8, 41, 13), (9, 40, 13), (9, 41, 12)):
        assert not np.array_equal(draw_palettes(config, seed, [class_id], [instance_id]).cycle, alone.cycle)


def test_what_a_seed_gives_does_not_change() -> None:
    colours = map_colours(2024, np.arange(4), np.array([3, 5, 8, 4]), 8) * np.array([2, 4, 7, 3])[:, None]
    assert colours.round().astype(int).tolist() == [
        [2, 0, 1, 0, 0, 0, 0, 0],
        [0, 4, 3, 1, 2, 0, 0, 0],
        [0, 4, 7, 5, 1, 3, 2, 6],
        [1, 2, 0, 3, 0, 0, 0, 0],
    ]
    palettes = draw_palettes(ColourConfig(drift=1), 2024, [0, 1, 2], [5, 6, FIRST_VALIDATION_ID])
    assert palettes.span == pytest.approx([2 / 3, 5 / 6, 3 / 4])
    assert palettes.drift == pytest.approx([0.5237313509, -0.7355307341, 0.7948875427], abs=1e-6)
    expected = [
        [[26, 138, 231], [213, 109, 213], [41, 178, 121]],
        [[31, 168, 160], [252, 189, 92], [216, 170, 202]],
        [[253, 155, 164], [251, 176, 164], [229, 94, 8]],
    ]
    assert np.abs(palettes.cycle[:, [0, 100, 300]].astype(int) - expected).max() <= 1


def test_drift_turns_the_palette_evenly() -> None:
    times = np.tile(np.linspace(0, 1, 21), (300, 1))
    still = draw_palettes(ColourConfig(), 1, MANY, 0)
    assert np.all(still.drift == 0)
    assert np.all(still.at(times) == still.at(times)[:, :1])
    moving = draw_palettes(ColourConfig(drift=0.8), 1, MANY, 0)
    assert np.array_equal(moving.cycle, still.cycle)
    assert -0.8 <= moving.drift.min() < -0.7
    assert 0.7 < moving.drift.max() <= 0.8
    shown = moving.at(times)
    assert np.array_equal(shown[:, 0], still.at(times)[:, 0])
    entries = (np.arange(256) / 255)[None] * moving.span[:, None] + moving.drift[:, None] / 2
    half = moving.cycle[MANY[:, None], np.floor(entries * 512).astype(int) % 512]
    assert np.array_equal(shown[:, 10], half)
    assert np.abs(np.diff(shown.astype(int), axis=1)).mean() < 15


def test_gamma_and_vibrancy_are_the_flame_algorithms() -> None:
    """The product of the two tables, against the formula."""
    plain = draw_palettes(ColourConfig(), 2, MANY[:40], 0).cycle / 255
    for gamma, vibrancy in ((2.0, 0.3), (3.0, 0.0), (1.5, 1.0)):
        config = ColourConfig(gamma=gamma, vibrancy=vibrancy)
        palette = draw_palettes(config, 2, MANY[:40], 0).cycle / 255
        curve = brightness_curve(config) / 255
        alpha = np.arange(256) / 255
        for grey in (10, 80, 200, 255):
            a = alpha[grey]
            expected = vibrancy * plain * a ** (1 / gamma) + (1 - vibrancy) * (plain * a) ** (1 / gamma)
            error = np.abs(curve[grey] * palette - expected)
            # The smallest bytes of `plain` are too coarse for their roots.
            assert error[plain > 0.05].max() < 0.008


def test_brightness_rises_from_black_and_foreground_stays_lit() -> None:
    for config in CONFIGS:
        curve = brightness_curve(config).astype(int)
        assert curve[0] == 0
        assert curve[1] >= 1
        assert curve[255] == 255
        assert np.all(np.diff(curve) >= 0)
    assert brightness_curve(ColourConfig(gamma=2))[64] > brightness_curve(ColourConfig(gamma=1))[64] == 64


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("exposure", ["density", "max"])
def test_a_coloured_clip_is_lit_exactly_where_the_grey_is(bank: ClassBank, config: ColourConfig, exposure: str) -> None:
    for class_id in range(4):
        grey = render_clip(bank, class_id, 1, size=(40, 48), points=9000, frames=3, exposure=exposure)
        shown = render_clip(
            bank, class_id, 1, size=(40, 48), points=9000, frames=3, exposure=exposure, colour=config
        )  # fmt: skip
        assert shown.shape == (3, 40, 48, 3)
        assert shown.dtype == np.uint8
        lit = foreground(grey, colour=False)
        assert 0 < lit.mean() < 1
        assert np.array_equal(foreground(shown, colour=True), lit)


def test_clips_are_neither_dark_nor_white_nor_all_alike(bank: ClassBank) -> None:
    means = []
    for class_id in range(len(bank)):
        clip = render_clip(bank, class_id, 0, size=64, points=30_000, colour=ColourConfig())
        lit = clip[foreground(clip, colour=True)].astype(float)
        assert 60 < lit.max(axis=1).mean() < 235
        means.append(lit.mean(axis=0))
    assert np.std(means, axis=0).min() > 15


def test_clips_show_their_structure(bank: ClassBank) -> None:
    """Within a clip hues differ from place to place: their variance is not that of one colour times a brightness."""
    varied = 0
    for class_id in range(len(bank)):
        clip = render_clip(bank, class_id, 0, size=64, points=30_000, colour=ColourConfig())
        bright = clip[clip.max(axis=-1) > 60].astype(float)
        hue = bright / bright.sum(axis=1, keepdims=True)
        varied += hue.std(axis=0).max() > 0.03
    assert varied >= 9


def test_a_coloured_clip_is_a_function_of_its_name(bank: ClassBank) -> None:
    config = ColourConfig(drift=1)
    one = render_clip(bank, 4, 2, size=48, points=8000, threads=1, colour=config)
    larger = ClassBank.sample(20, seed=3)
    assert np.array_equal(one, render_clip(larger, 4, 2, size=48, points=8000, threads=8, colour=config))
    fits = fit_fractals(bank, [1, 4, 7], [0, 2, 5])
    times = np.tile(np.arange(len(one), dtype=float)[:18], (3, 1))
    assert np.array_equal(render_fractals(bank, fits, times, size=48, points=8000, colour=config)[1], one[:18])
    still = render_clip(bank, 4, 2, size=48, points=8000, colour=ColourConfig())
    assert np.array_equal(still[0], one[0])
    assert not np.array_equal(still[-1], one[-1])


@pytest.mark.parametrize("codec", available_codecs())
def test_videos_keep_colours(bank: ClassBank, codec: str) -> None:
    clip = render_clip(bank, 3, 0, size=96, points=60_000, frames=6, colour=ColourConfig())
    data = encode_video(clip, codec=codec, crf=CODECS[codec].crf[0])
    read = read_video(data)
    assert read.shape == clip.shape
    # Colours are kept for every 2 x 2 pixels, brightness for each; neither is shifted.
    error = read.astype(float) - clip
    assert np.abs(error).mean() < 4
    assert np.abs(error.mean(axis=(0, 1, 2))).max() < 2
    grey = read_video(data, rgb=False).astype(float)
    assert np.abs(grey - clip @ [0.299, 0.587, 0.114]).mean() < 1.5
    with av.open(io.BytesIO(data)) as container:
        # BT.601, but for MPEG-4 Part 2, whose readers assume it.
        assert container.streams.video[0].codec_context.colorspace == (2 if codec == "mpeg4" else 6)


@pytest.mark.parametrize(
    "values", [{"gamma": 0}, {"gamma": float("nan")}, {"vibrancy": -0.1}, {"vibrancy": 2}, {"drift": -1}, {"drift": 99}]
)
def test_impossible_colours(values: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(values))):
        ColourConfig(**values)


def test_too_many_points_are_refused(bank: ClassBank) -> None:
    with pytest.raises(UserError, match="points"):
        render_clip(bank, 0, 0, size=8, points=MAX_COLOUR_POINTS + 1, colour=ColourConfig())


def test_options_of_a_command() -> None:
    assert colour_config("grey") is None
    assert colour_config("structural") == ColourConfig()
    assert colour_config("structural", gamma=2, drift=0.5) == ColourConfig(gamma=2, drift=0.5)
    with pytest.raises(UserError, match="--drift"):
        colour_config("grey", drift=1)
