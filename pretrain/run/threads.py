"""How the cores of a machine are shared by the clips of a run and its network, and by processes."""

import torch

from fractalvid.kernels.compiled import available_cores
from fractalvid.pretrain.machine import has_amx, local_world_size, resolve_device, resolve_precision
from fractalvid.pretrain.run.config import PretrainConfig


def render_threads(config: PretrainConfig) -> int:
    """Threads that draw or decode clips on this process.

    Half of its cores beside a network that trains on the CPU: more are in its way (benchmarks/results/cpu_training.md).
    """
    if config.threads is not None:
        return config.threads
    return max(1, _cores() // 2) if _trains_on_cpu(config) else _cores()


def torch_threads(config: PretrainConfig) -> int | None:
    """Threads of the network on this process; None leaves torch's own choice, which is all cores.

    On AMX, beside a stream, half of its cores: threads wait for each other at every operation, and with clips drawn
    between they wait for longer than they gain (benchmarks/results/cpu_training.md).
    """
    if config.engine.torch_threads is not None or not _trains_on_cpu(config):
        return config.engine.torch_threads
    streams = config.data is None and config.videos is None
    half = resolve_precision(config.engine.precision, torch.device("cpu")).dtype == torch.bfloat16
    return max(1, _cores() // 2) if streams and half and has_amx() else None


def _cores() -> int:
    """Those of this process: several on one machine share it."""
    return max(1, available_cores() // local_world_size())


def _trains_on_cpu(config: PretrainConfig) -> bool:
    return resolve_device(config.engine.device).type == "cpu"
