"""A Ray cluster as workers: the set of one machine, also when machines are lost meanwhile."""

import os
import threading
from collections.abc import Iterator
from importlib import import_module
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


def start_cluster(tries: int = 3) -> Any:
    """Ray gives a machine 30 seconds to start, which is little where tests run side by side."""
    store = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster: Any = import_module("ray.cluster_utils").Cluster(initialize_head=False)
    try:
        cluster.add_node(**store, include_dashboard=False)
        cluster.lose = [cluster.add_node(**store) for _ in range(2)]
    except Exception:
        cluster.shutdown()
        if tries == 1:
            raise
        return start_cluster(tries - 1)
    return cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three machines of one core each, all of them here."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = start_cluster()
    yield cluster
    cluster.shutdown()


def test_clips_survive_the_machines_that_make_them(cluster: Any, tmp_path: Path) -> None:
    bank = ClassBank.sample(8, seed=3)
    one = threading.Thread(target=lambda: [cluster.remove_node(node, allow_graceful=False) for node in cluster.lose])
    generate(bank, tmp_path / "one", CONFIG, workers=1, progress=False)
    engine = ray_engine(cluster.address)

    def losing(*arguments: Any) -> Any:
        threading.Timer(2.0, one.start).start()
        return engine(*arguments)

    assert generate(bank, tmp_path / "many", CONFIG, workers=1, progress=False, engine=losing) == 0
    one.join()
    assert digest(tmp_path / "many") == digest(tmp_path / "one")


def test_another_kind_of_machine_is_refused(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = card.made_on
    monkeypatch.setattr(ray_workers, "made_on", lambda config: here(config) | {"processor": "abacus"})
    with pytest.raises(UserError, match=r"a machine of the cluster .* has processor = .*the one that began .*abacus"):
        generate(
            ClassBank.sample(2, seed=3), tmp_path, CONFIG, workers=1, progress=False, engine=ray_engine(cluster.address)
        )
    assert not ray.is_initialized()


def test_no_cluster_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no Ray cluster at 127\.0\.0\.1:1: .*ray start --head"):
        generate(
            ClassBank.sample(2, seed=3), tmp_path, CONFIG, workers=1, progress=False, engine=ray_engine("127.0.0.1:1")
        )
