"""A stream in a Lightning module: `pip install lightning`.

python examples/lightning_module.py [--steps 20]
"""

import argparse

import lightning
import torch
from torch.utils.data import DataLoader

import fractalvid as fv


class Pretraining(lightning.LightningModule):
    """A network that tells fractal classes apart."""

    def __init__(self, classes: int = 20) -> None:
        """Draw the classes, build the network."""
        super().__init__()
        self.bank = fv.ClassBank.sample(classes, seed=0)
        self.network = fv.pretrain.build_model("r3d_10", num_classes=classes, seed=0)

    def train_dataloader(self) -> DataLoader[fv.Batch]:
        """Each process takes its share of every global batch."""
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        config = fv.StreamConfig(clip_len=8, size=64, points=20_000)
        stream = fv.FractalStream(self.bank, batch_size=8, seed=0, config=config, rank=rank, world_size=world_size)
        return DataLoader(stream, batch_size=None, num_workers=1)

    def training_step(self, batch: fv.Batch, step: int) -> torch.Tensor:
        """Cross-entropy."""
        loss = torch.nn.functional.cross_entropy(self.network(batch.video), batch.target)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """As everywhere."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    steps = parser.parse_args().steps
    # One endless epoch: every new iterator of a stream begins at the same sample.
    trainer = lightning.Trainer(max_steps=steps, logger=False, enable_checkpointing=False, log_every_n_steps=1)
    trainer.fit(Pretraining())
    print(f"loss {trainer.callback_metrics['loss']:.3f} after {trainer.global_step} steps")


if __name__ == "__main__":
    main()
