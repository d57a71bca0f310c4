"""Your own training loop on clips that are rendered meanwhile: stop it anywhere, and it goes on at the next batch.

python examples/own_loop.py [--steps 40]
"""

import argparse
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import fractalvid as fv

STATE = Path("own_loop.pt")


def main() -> None:
    """Train, and save all that resuming takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=40)
    steps = parser.parse_args().steps

    bank = fv.ClassBank.sample(20, seed=0)
    config = fv.StreamConfig(clip_len=8, size=64, points=20_000)
    stream = fv.FractalStream(bank, batch_size=8, seed=0, config=config)
    network = fv.pretrain.build_model("r3d_10", num_classes=len(bank), seed=0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)

    step = 0
    if STATE.exists():
        state = torch.load(STATE, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        stream.load_state_dict({"next_index": state["next_index"]})
        step = state["step"]
        print(f"going on at step {step}" if step < steps else f"finished; remove {STATE} to begin again")

    for batch in DataLoader(stream, batch_size=None, num_workers=1):
        if step >= steps:
            break
        loss = torch.nn.functional.cross_entropy(network(batch.video), batch.target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 10 == 0 or step == steps:
            print(f"step {step}: loss {loss.item():.3f}")
        state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
        torch.save(state | {"next_index": batch.next_index}, STATE)


if __name__ == "__main__":
    main()
