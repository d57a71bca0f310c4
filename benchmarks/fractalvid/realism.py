"""How near to real video clips are before and after emulation: spectrum, motion, colour and brightness.

Needs real videos: the environment variable FRACTALVID_TEST_DATA names a folder that holds `hmdb51_subset`. Only figures
of them are kept. Every clip is 8 frames of 112²; synthetic ones are the stream's, in structural colour.
"""

import os
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.common import write
from fractalvid.core.colour import ColourConfig
from fractalvid.emulate.presets import PRESETS
from fractalvid.finetune.clips.sampling import view_windows
from fractalvid.fractals.bank import ClassBank
from fractalvid.stats import figures
from fractalvid.stats.config import Band
from fractalvid.stream import FractalStream, StreamConfig
from fractalvid.utils.errors import UserError
from fractalvid.video.reader import read_video

Clips = NDArray[np.uint8]
Floats = NDArray[np.float64]

SIZE, FRAMES, STRIDE, BATCH = 112, 8, 6, 32
LOW, WHOLE = Band(2, 16), Band(2, SIZE // 2)
DARK = 13
"""5 % of white."""
SHOWN = ("light", "paper", "full", "scene")
QUANTILES = np.linspace(0.005, 0.995, 199)
PLOT = Path(__file__).parents[2] / "docs" / "emulation_realism.png"
COLOURS = {
    **{"real": "black", "plain": "#8a8a8a", "light": "#4c78a8", "paper": "#e08214", "full": "#2c9a5b"},
    "scene": "#c2344d",
}


@dataclass(frozen=True)
class Realism:
    """Figures of B clips, each (B,), and their spectra (B, R).

    Attributes:
        low: exponent of the amplitude spectrum, 2 to 16 cycles a frame.
        whole: the same up to the finest, 56 cycles.
        motion: mean change from frame to frame over the mean grey level.
        colourfulness: of Hasler & Süsstrunk (2003), in grey levels.
        brightness: mean, 0 to 1.
        dark: share of pixels below 5 % of white.
        spectrum: power by frequency, as a share of the whole.
    """

    low: Floats
    whole: Floats
    motion: Floats
    colourfulness: Floats
    brightness: Floats
    dark: Floats
    spectrum: Floats


NAMES = {
    "low": "spectrum exponent, 2-16 cycles",
    "whole": "spectrum exponent, 2-56 cycles",
    "motion": "motion",
    "colourfulness": "colourfulness",
    "brightness": "brightness",
    "dark": "share of dark pixels",
}


@dataclass(frozen=True)
class Settings:
    """How much to measure."""

    clips: int = 512
    classes: int = 1000


def main() -> None:
    """Measure, write and draw."""
    settings = tyro.cli(Settings, description=__doc__)
    found = {"real": realism(real_clips(settings.clips))}
    found |= {name: realism(synthetic_clips(name, settings)) for name in ("plain", *SHOWN)}
    header = ["statistic", "real: median (10 % to 90 %)"]
    header += [f"{name}: median, distance" for name in found if name != "real"]
    rows, data = [], {}
    for name, label in NAMES.items():
        wanted = _finite(getattr(found["real"], name))
        low, high = np.quantile(wanted, (0.1, 0.9))
        cells = [label, f"{np.median(wanted):.3g} ({low:.3g} to {high:.3g})"]
        data[name] = {"real": float(np.median(wanted))}
        for kind in [kind for kind in found if kind != "real"]:
            values = _finite(getattr(found[kind], name))
            apart = distance(values, wanted)
            cells.append(f"{np.median(values):.3g}, {apart:.2f}")
            data[name] |= {kind: float(np.median(values)), f"{kind}_distance": apart}
        rows.append(cells)
    notes = (
        "Distance: the mean difference of the two distributions' quantiles (Wasserstein-1), in standard deviations of "
        f"the real clips'. {settings.clips} clips of each; real ones are HMDB51's, whole frames cropped to squares."
    )
    write("realism", "Emulated clips beside real ones", header, rows, data, notes)
    draw(found).savefig(PLOT, dpi=90)


def real_clips(count: int) -> Clips:
    """Central clips of videos spread over the folder: uint8 (B, T, H, W, 3)."""
    root = Path(os.environ.get("FRACTALVID_TEST_DATA", "")) / "hmdb51_subset"
    files = sorted(root.rglob("*.avi"))
    if "FRACTALVID_TEST_DATA" not in os.environ or not files:
        raise UserError("FRACTALVID_TEST_DATA must name a folder that holds hmdb51_subset with real videos")
    clips = []
    for place in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int):
        video = read_video(files[place], short_side=SIZE)
        top, left = (video.shape[1] - SIZE) // 2, (video.shape[2] - SIZE) // 2
        chosen = view_windows(len(video), FRAMES, STRIDE, 1)[0]
        clips.append(video[chosen, top : top + SIZE, left : left + SIZE])
    return np.stack(clips)


def synthetic_clips(name: str, settings: Settings) -> Clips:
    """Samples of the stream, as it trains networks: uint8 (B, T, H, W, 3)."""
    config = StreamConfig(clip_len=FRAMES, size=SIZE, colour=ColourConfig())
    if name != "plain":
        config = replace(config, emulate=PRESETS[name])
    stream = FractalStream(ClassBank.sample(settings.classes, seed=0), batch_size=BATCH, seed=0, config=config)
    batches = islice(stream, -(-settings.clips // BATCH))
    parts = [batch.video.mul(255).round_().to(torch.uint8).permute(0, 2, 3, 4, 1).numpy() for batch in batches]
    return np.concatenate(parts)[: settings.clips]


def realism(clips: Clips) -> Realism:
    """The figures of clips (B, T, H, W, 3)."""
    grey = figures.grey_levels(clips)
    power = figures.radial_power(grey)
    red, green, blue = np.moveaxis(clips.astype(np.float32), -1, 0)
    axes, first, second = (1, 2, 3), red - green, (red + green) / 2 - blue
    return Realism(
        low=figures.spectrum_exponent(power, LOW),
        whole=figures.spectrum_exponent(power, WHOLE),
        motion=figures.motion(grey),
        colourfulness=np.sqrt(first.var(axes) + second.var(axes))
        + 0.3 * np.sqrt(first.mean(axes) ** 2 + second.mean(axes) ** 2),
        brightness=figures.brightness(grey).mean(axis=1),
        dark=(grey < DARK).mean(axis=axes),
        spectrum=power / np.maximum(power.sum(axis=1, keepdims=True), 1e-9),
    )


def distance(values: Floats, wanted: Floats) -> float:
    """Wasserstein-1 of two samples, in standard deviations of the second."""
    return float(np.abs(np.quantile(values, QUANTILES) - np.quantile(wanted, QUANTILES)).mean() / wanted.std())


def draw(found: dict[str, Realism]) -> Figure:
    """Mean spectra, and the distribution of every figure."""
    figure = Figure(figsize=(13.5, 5.6), layout="constrained")
    first, *rest, legend = figure.subplots(2, 4).ravel()
    for name, one in found.items():
        style = {"color": COLOURS[name], "label": name, "lw": 2.2 if name == "real" else 1.4}
        frequency = np.arange(1, one.spectrum.shape[1] + 1)
        first.loglog(frequency, np.exp(np.log(np.maximum(one.spectrum, 1e-9)).mean(axis=0)), **style)
        for axis, key in zip(rest, [f.name for f in fields(Realism) if f.name != "spectrum"], strict=True):
            values = np.sort(_finite(getattr(one, key)))
            axis.plot(values, (np.arange(len(values)) + 0.5) / len(values), **style)
            axis.set(title=NAMES[key], ylabel="share of clips below")
    first.set(title="power spectrum", xlabel="cycles a frame", ylabel="share of the power")
    legend.legend(*first.get_legend_handles_labels(), loc="center", frameon=False)
    legend.set_axis_off()
    for axis in (first, *rest):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    rest[2].set_xlim(0, 1.6)
    return figure


def _finite(values: Floats) -> Floats:
    return values[np.isfinite(values)]


if __name__ == "__main__":
    main()
