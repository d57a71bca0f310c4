"""A self-supervised loop in the style of lightly: backbone, projection head, loss; two views of each clip.

The loss is NT-Xent (SimCLR, Chen et al. 2020), written out; lightly's `NTXentLoss` takes the same two arguments.

python examples/two_views.py [--steps 20]
"""

import argparse

import torch
from torch import nn
from torch.utils.data import DataLoader

import fractalvid as fv


class SimCLR(nn.Module):
    """Features, and what the loss compares."""

    def __init__(self) -> None:
        """A backbone gives features (B, D)."""
        super().__init__()
        self.backbone = fv.pretrain.backbone("r3d_10", seed=0)
        self.projection_head = nn.Sequential(nn.LazyLinear(128), nn.ReLU(), nn.Linear(128, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Clips (B, 3, T, H, W) to (B, 64)."""
        return self.projection_head(self.backbone(x))


def nt_xent(a: torch.Tensor, b: torch.Tensor, temperature: float = 0.2) -> torch.Tensor:
    """Each view should be nearest to the other view of its clip, among all 2 B - 1 others."""
    z = nn.functional.normalize(torch.cat([a, b]), dim=1)
    similarity = z @ z.T / temperature
    similarity.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(z)).roll(len(a))
    return nn.functional.cross_entropy(similarity, partner)


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    steps = parser.parse_args().steps

    bank = fv.ClassBank.sample(200, seed=0)
    config = fv.StreamConfig(clip_len=8, size=64, points=20_000)
    second = fv.SecondView()  # another window, crop, flip and emulation of the same clip, now and then backwards
    stream = fv.FractalStream(bank, batch_size=16, seed=0, config=config, views=2, second=second, emulate="light")
    model = SimCLR()
    batches = iter(DataLoader(stream, batch_size=None, num_workers=1))
    model(next(batches).video)  # lazy layers take their sizes
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(1, steps + 1):
        batch = next(batches)
        loss = nt_xent(model(batch.video), model(batch.video2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0 or step == steps:
            print(f"step {step}: loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
