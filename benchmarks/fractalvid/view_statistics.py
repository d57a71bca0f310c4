"""How far two views can be matched, and classes found, by numbers that need no training: what training has to beat."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.common import part_of
from fractalvid.core.colour import ColourConfig
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.clips import Recoloured, Share
from fractalvid.pretrain.models import backbone
from fractalvid.pretrain.monitors import MonitorConfig, build_monitors
from fractalvid.stream import FractalStream, SecondView, StreamConfig

CLIPS = 128


def matching(config: StreamConfig) -> dict[str, dict[str, float]]:
    """Of `CLIPS` clips, the share whose other view is nearest by some statistics, for clips of several kinds."""
    coloured = replace(config, colour=ColourConfig(drift=1))
    kinds = {"grey": (config, 0.0), "coloured": (coloured, 0.0), "coloured, recoloured": (coloured, 0.8)}
    found = {}
    for name, (asked, probability) in kinds.items():
        bank = sample_bank(2000, seed=0)
        stream = FractalStream(bank, batch_size=CLIPS, seed=0, config=asked, views=2, second=SecondView())
        batch = next(iter(Recoloured(stream, probability, seed=0, share=Share(CLIPS))))
        one, other = statistics_of(batch.video), statistics_of(batch.video2)
        found[name] = {what: matched(one[what], other[what]) for what in one}
    return found


@torch.no_grad()
def statistics_of(video: Tensor) -> dict[str, Tensor]:
    """Vectors (B, D) of clips (B, 3, T, H, W): mean colours, histograms of each channel, features without training."""
    bins = (video.clamp(0, 1) * 15.999).long().flatten(2)
    histogram = F.one_hot(bins, 16).float().mean(2).sqrt().flatten(1)
    features = backbone("r3d_10", seed=0).eval()(video)
    return {"mean colour": video.mean((2, 3, 4)), "histogram": histogram, "untrained features": features}


def matched(one: Tensor, other: Tensor) -> float:
    """Share of rows (B, D) whose partner is the nearest of all others, by cosine of standardised components."""
    a, b = (F.normalize((x - x.mean(0)) / (x.std(0) + 1e-6), dim=1) for x in (one, other))
    return float(((a @ b.T).argmax(1) == torch.arange(len(a))).float().mean())


class Pixels(nn.Module):
    """Features that are the clip itself, averaged over 2 x 8 x 8 parts."""

    def __init__(self) -> None:
        """With a head to be left out, and a parameter to tell the device."""
        super().__init__()
        self.fc: nn.Module = nn.Identity()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, video: Tensor) -> Tensor:
        """Float32 (B, 128) of video (B, 3, T, H, W)."""
        features: Tensor = self.fc(self.scale * F.adaptive_avg_pool3d(video[:, :1], (2, 8, 8)).flatten(1))
        return features


@torch.no_grad()
def references(config: MonitorConfig, stream: StreamConfig, classes: int) -> dict[str, dict[str, float]]:
    """What the monitors find of the network before any training, and of pixels."""
    bank = sample_bank(classes, seed=0)
    monitors = build_monitors(config, bank, stream, head="fc", batch_size=32, threads=1)
    return {
        "before any training": monitors(backbone("r3d_10", seed=0).eval()),
        "pixels": monitors(Pixels().eval()),
    }


def main() -> None:
    """Name the benchmark that measures this."""
    part_of("benchmarks.pretrain.objectives longer", __doc__)


if __name__ == "__main__":
    main()
