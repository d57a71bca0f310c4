"""A probe from its options to its rows: networks, features, classifiers."""

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits
from torch import nn
from tqdm import tqdm

from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.cache.stores import Stores
from fractalvid.finetune.clips.config import ViewConfig
from fractalvid.finetune.probe.config import ProbeConfig
from fractalvid.finetune.probe.features import Features, Views, features_of
from fractalvid.finetune.probe.kept import (
    clips_digest,
    load_features,
    load_rows,
    network_digest,
    save_features,
    save_rows,
)
from fractalvid.finetune.probe.linear import (
    CLASSIFIERS,
    SCALINGS,
    Parts,
    classify,
    grouped_parts,
)
from fractalvid.finetune.recipes.plan import ResolvedRecipe, resolve
from fractalvid.finetune.results.scores import labels_of
from fractalvid.finetune.run.compare import same_shape
from fractalvid.finetune.videos.data import Data, read_videos, split_name
from fractalvid.finetune.videos.listing import Listing
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.machine import Precision, resolve_device, resolve_precision
from fractalvid.pretrain.weights import Initial, build_initial
from fractalvid.stats.figures import Scatter, effective_rank
from fractalvid.utils.digests import digest_of
from fractalvid.utils.files import make_folder
from fractalvid.utils.messages.bars import bar_options

RANDOM = "random"
"""What the networks are called that nothing was learned by."""


@dataclass(frozen=True)
class Network:
    """A network that is probed: `label` names the weights, or is `RANDOM`; `number` counts those of one label."""

    label: str
    number: int
    init: Initial
    recipe: ResolvedRecipe


@dataclass(frozen=True)
class Row:
    """One classifier on one stage of one network.

    `dim` features, whose covariance over the training videos has the effective rank `rank`. `strength` was chosen by
    `cv_top1`, percent of held-out training videos; `test_top1` and `test_mean_class` are percent of the test videos.
    """

    network: str
    number: int
    statistics: str
    stage: str
    scaling: str
    classifier: str
    dim: int
    rank: float
    strength: float
    at_edge: bool
    cv_top1: float
    test_top1: float
    test_mean_class: float


@dataclass(frozen=True)
class Probe:
    """A probe with its videos listed: the clips, and how the training side is cut."""

    data: Data
    config: ProbeConfig
    split: str
    listing: Listing
    networks: tuple[Network, ...]
    parts: Parts
    machine: Machine
    stores: Stores

    @property
    def folder(self) -> Path:
        """Where features are kept."""
        return self.machine.cache() / "probe"


def open_probe(
    data: Data,
    config: ProbeConfig,
    inits: Sequence[Initial],
    *,
    split: str | None,
    allow_missing: bool,
    machine: Machine,
) -> Probe:
    """List the videos and settle what the networks see.

    Raises:
        UserError: for whatever the user has got wrong: networks of several kinds, videos that are missing.
    """
    shaped, protocol = same_shape(config.recipe(), inits), data.target.protocol
    counts = defaultdict[str, Iterator[int]](count)
    networks = tuple(
        Network(init.label, next(counts[init.label]), init, resolve(shaped, protocol, init))
        for init in (*inits, *[Initial(RANDOM, "scratch")] * config.random)
    )
    named = split_name(data, split)
    listing = read_videos(data, named, machine, allow_missing=allow_missing)
    training = listing.side("train")
    groups = [data.target.group(video.path) or video.path for video in training]
    parts = grouped_parts(labels_of(training), groups, config.cv_folds, config.seed)
    stores = machine.stores()
    make_folder(machine.cache() / "probe")
    return Probe(data, config, named, listing, networks, parts, machine, stores)


def probe_networks(probe: Probe) -> list[Row]:
    """Probe every network; what an earlier call has kept is not made again."""
    rows, drawn = list[Row](), dict[str, tuple[Views, Views]]()
    bar = tqdm(probe.networks, desc="probing", unit="network", disable=not probe.machine.progress, **bar_options())
    for network in bar:
        bar.set_postfix_str(network.label)
        rows += _rows_of(probe, network, drawn)
    return rows


def _rows_of(probe: Probe, network: Network, drawn: dict[str, tuple[Views, Views]]) -> list[Row]:
    """The rows of one network; `drawn` keeps the views that several networks share."""
    kept = _kept(probe, network)
    done = probe.folder / f"{kept.key}-{_asked(probe)}.json"
    known = load_rows(done)
    if known is not None:
        return [replace(Row(**row), network=network.label, number=network.number) for row in known]
    rows = classify_features(probe, network, _features(probe, network, kept, drawn))
    save_rows(done, rows)
    return rows


def network_features(probe: Probe, network: Network) -> Features:
    """Features of all stages of one network on all videos of a probe, a row a video; kept in the cache folder."""
    return _features(probe, network, _kept(probe, network), {})


class _Kept(NamedTuple):
    """A network that is built, what of the clips its features depend on, and the name of both."""

    built: nn.Module
    precision: Precision
    clips: str
    key: str


def _kept(probe: Probe, network: Network) -> _Kept:
    arch, config = network.recipe.model, probe.config
    built, _ = build_initial(arch, 1, network.init, seed=network.number)  # the head, or all of a random one
    precision = resolve_precision(config.precision, resolve_device(probe.machine.device))
    store = probe.stores.get(probe.data.root, decoded_side(network.recipe.size))
    settings = {
        "view": asdict(network.recipe.view_config()),
        "frames": store.kept(video.path for video in probe.listing.videos),
        "precision": precision.name,
        "settle": [config.settle_clips, config.seed],
    }
    clips = clips_digest(probe.data.root, probe.listing, settings)
    return _Kept(built, precision, clips, f"{network_digest(built, arch)}-{clips}")


def _features(probe: Probe, network: Network, kept: _Kept, drawn: dict[str, tuple[Views, Views]]) -> Features:
    arch, path = network.recipe.model, probe.folder / f"{kept.key}.npz"
    features = load_features(path, arch)
    if features is None:
        views, settling = drawn.setdefault(kept.clips, _views(probe, network.recipe.view_config()))
        features = features_of(kept.built, arch, views, settling, kept.precision)
        save_features(path, features)
    return features


def _asked(probe: Probe) -> str:
    """A digest of what is asked of features: labels, sources, and how classifiers are chosen."""
    videos, target = probe.listing.videos, probe.data.target
    config = {name: getattr(probe.config, name) for name in ("cv_folds", "ridge", "logistic", "seed")}
    return digest_of([[(video.label, target.group(video.path)) for video in videos], config])


def _views(probe: Probe, view: ViewConfig) -> tuple[Views, Views]:
    """The views of all videos, and those of the training videos that settle the statistics."""
    store = probe.stores.get(probe.data.root, decoded_side(view.size))
    training = probe.listing.side("train")
    order = np.random.default_rng(probe.config.seed).permutation(len(training))
    count = max(1, -(-probe.config.settle_clips // view.views))
    some = tuple(training[int(k)] for k in order[:count])
    threads = probe.machine.decoders()
    return Views(probe.listing.videos, store, view, threads, []), Views(some, store, view, threads, [])


def classify_features(probe: Probe, network: Network, features: Features) -> list[Row]:
    """A row for every stage, statistics, scaling and classifier."""
    videos = probe.listing.videos
    sides = {side: np.array([k for k, video in enumerate(videos) if video.side == side]) for side in ("train", "test")}
    labels = labels_of(videos)

    def rows(key: tuple[str, str]) -> Iterator[Row]:
        statistics, stage = key
        values = features[key].astype(np.float64)  # type: ignore[index]  # keys come from it
        rank = effective_rank(Scatter.of(features[key][sides["train"]]))  # type: ignore[index]
        known, asked = ((values[sides[side]], labels[sides[side]]) for side in ("train", "test"))
        for scaling, classifier in product(SCALINGS, CLASSIFIERS):
            fitted = classify(classifier, scaling, known, asked, probe.parts, getattr(probe.config, classifier))
            yield Row(
                network.label,
                network.number,
                statistics,
                stage,
                scaling,
                classifier,
                values.shape[1],
                rank,
                **vars(fitted),
            )

    with _quiet(), threadpool_limits(1), ThreadPoolExecutor(probe.machine.decoders()) as pool:
        return [row for each in pool.map(lambda key: list(rows(key)), features) for row in each]


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, scikit-learn does not warn of iterations that end early; threads share the filters, so it is set here."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
