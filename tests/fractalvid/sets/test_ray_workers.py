"""A Ray cluster as workers: the set of one machine, also when machines are lost meanwhile."""

import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from fractalvid.fractals.bank import ClassBank
from fractalvid.sets import SetConfig, card, generate, ray_workers
from fractalvid.sets.ray_workers import ray_engine
from fractalvid.utils.errors import UserError
from tests.fractalvid.sets.test_generation import digest

ray: Any = pytest.importorskip("ray")

CONFIG = SetConfig(clips=16, size=32, points=2000, format="webdataset", shard_size=30)
PATIENCE = 90.0
"""Seconds that a cluster and what is made on it may take."""
LOST = "Ray ended the process, failed, or took too long"


def start_cluster() -> Any:
    """Three machines of one core each, all of them here."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    store = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster: Any = import_module("ray.cluster_utils").Cluster(initialize_head=False)
    cluster.add_node(**store, include_dashboard=False)
    cluster.lose = [cluster.add_node(**store) for _ in range(2)]
    return cluster


def apart(do: Callable[[Any, Path], None], folder: Path, tries: int = 3) -> None:
    """Do something with a cluster, in a process of its own.

    Where Ray loses the cluster's head it ends this process, or fails; and it gives a machine 30 seconds to start, which
    is little beside other tests. So a cluster gets more than one try; what comes out of it gets one.
    """
    context = multiprocessing.get_context("spawn")
    told, tell = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(do, folder / str(tries), tell))
    process.start()
    tell.close()
    try:
        failure = told.recv() if told.poll(PATIENCE) else LOST
    except EOFError:
        failure = LOST
    process.kill()
    process.join()
    if failure == LOST and tries > 1:
        return apart(do, folder, tries - 1)
    assert failure is None, failure


def _tell(do: Callable[[Any, Path], None], folder: Path, tell: Connection) -> None:
    cluster, failure = start_cluster(), None
    try:
        do(cluster, folder)
    except (AssertionError, pytest.fail.Exception):  # the second is of `pytest.raises`
        failure = traceback.format_exc()
    cluster.shutdown()
    tell.send(failure)


def lose_machines(cluster: Any, folder: Path) -> None:
    bank = ClassBank.sample(8, seed=3)
    loss = threading.Thread(target=lambda: [cluster.remove_node(node, allow_graceful=False) for node in cluster.lose])
    generate(bank, folder / "one", CONFIG, workers=1, progress=False)
    engine = ray_engine(cluster.address)

    def losing(*arguments: Any) -> Any:
        threading.Timer(2.0, loss.start).start()
        return engine(*arguments)

    assert generate(bank, folder / "many", CONFIG, workers=1, progress=False, engine=losing) == 0
    loss.join()
    assert digest(folder / "many") == digest(folder / "one")


def ask_other_machines(cluster: Any, folder: Path) -> None:
    here = card.made_on
    ray_workers.made_on = lambda config: here(config) | {"processor": "abacus"}  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"a machine of the cluster .* has processor = .*the one that began .*abacus"):
        generate(
            ClassBank.sample(2, seed=3), folder, CONFIG, workers=1, progress=False, engine=ray_engine(cluster.address)
        )
    assert not ray.is_initialized()


@pytest.mark.parametrize("do", [lose_machines, ask_other_machines])
def test_clips_survive_the_machines_that_make_them_and_others_make_none(
    do: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    apart(do, tmp_path)


def test_no_cluster_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no Ray cluster at 127\.0\.0\.1:1: .*ray start --head"):
        generate(
            ClassBank.sample(2, seed=3), tmp_path, CONFIG, workers=1, progress=False, engine=ray_engine("127.0.0.1:1")
        )
