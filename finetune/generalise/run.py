"""One run: domains, network, training by a method, test in the other domain."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from fractalvid.finetune.cache.store import ClipStore, decoded_side
from fractalvid.finetune.clips.loader import TrainLoader
from fractalvid.finetune.clips.prediction import predict
from fractalvid.finetune.explain.gradcam import last_maps
from fractalvid.finetune.generalise.boxes import source_tubes
from fractalvid.finetune.generalise.config import GeneraliseRecipe, MethodName
from fractalvid.finetune.generalise.domains import Domains, Unlabelled, read_class_list, read_domains, read_mapping
from fractalvid.finetune.generalise.folder import Accuracies, check_out, claim, finish
from fractalvid.finetune.generalise.initial import starting_network
from fractalvid.finetune.generalise.methods.base import Method
from fractalvid.finetune.generalise.methods.build import Setting, build_method
from fractalvid.finetune.generalise.methods.explain import check_places
from fractalvid.finetune.generalise.objective import Generalising
from fractalvid.finetune.generalise.source import DomainSource, Tubes
from fractalvid.finetune.recipes.plan import ResolvedRecipe, resolve
from fractalvid.finetune.results.folder import PREDICTIONS, WEIGHTS
from fractalvid.finetune.results.predictions import write_predictions
from fractalvid.finetune.results.scores import labels_of, scores
from fractalvid.finetune.run.outcome import versions
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.videos.data import Data, data_name
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.engine import LoopConfig, TrainConfig, TrainResult, train
from fractalvid.pretrain.machine import resolve_device
from fractalvid.pretrain.models import trains_channels_last
from fractalvid.pretrain.optim import OptimConfig
from fractalvid.pretrain.weights import Card, Initial, save_weights
from fractalvid.utils.digests import digest_of
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted

_CLIPS = 32
"""Clips for which the engine is given a learning rate."""
_CHECKPOINT_STEPS = 100


@dataclass(frozen=True)
class Task:
    """What is to be done.

    Attributes:
        source: domain that is learned from.
        target: domain that is tested in, opened for its test videos alone.
        method: how.
        recipe: settings.
        init: what the network starts from.
        seed: of everything random.
        classes: file with the classes of the study; None for all that both domains have.
        class_map: file that says which class of the target is which of the source.
        boxes: file with boxes of the source; None of the demo, whose boxes are known, and where none are needed.
        allow_missing: whether listed videos may be missing.
    """

    source: Data
    target: Data
    method: MethodName
    recipe: GeneraliseRecipe
    init: Initial
    seed: int = 0
    classes: Path | None = None
    class_map: Path | None = None
    boxes: Path | None = None
    allow_missing: bool = False


def generalise(task: Task, *, out: Path, machine: Machine, resume: bool = False) -> dict[str, Any]:
    """Train in the source and test in the target; everything is left in `out`.

    Returns:
        What `generalise.json` says.

    Raises:
        UserError: data, weights, boxes or a folder that do not serve, or a training that diverges.
    """
    check_out(out, resume=resume)
    clips = resolve(task.recipe.transfer(), task.target.target.protocol, task.init)
    domains = read_domains(
        task.source,
        task.target,
        machine,
        classes=None if task.classes is None else read_class_list(task.classes),
        mapping=None if task.class_map is None else read_mapping(task.class_map),
        clips_per_class=task.recipe.clips_per_class,
        seed=task.seed,
        allow_missing=task.allow_missing,
    )
    _check_apart(task, domains)
    for line in domains.left_out:
        tqdm.write(line)
    tubes = source_tubes(task.source, domains, task.boxes, machine) if task.method == "explain" else None
    stores = machine.stores()
    here, there = (stores.get(data.root, decoded_side(clips.size)) for data in (task.source, task.target))
    network, loaded = starting_network(clips.model, domains.classes, task.init, seed=task.seed)
    tqdm.write(f"{clips.model}, {task.init.label}: {loaded}")
    if task.method == "explain":
        check_places(network, last_maps(clips.model), (3, clips.clip_len, clips.size, clips.size))
    settings = _settings(task, clips, domains)
    claim(out, settings)
    training = _Training(task, clips, domains.classes, domains.train, domains.unlabelled(), tubes, here, there, machine)
    result, method = training.go(network, out, resume=resume)
    return _test(task, clips, domains, network, method, result, (here, there), out, machine, settings)


def _check_apart(task: Task, domains: Domains) -> None:
    """Raise `UserError` where the target is tested on what the source is trained on."""
    if task.source.root.resolve() == task.target.root.resolve():
        both = {video.path for video in domains.train} & {video.path for video in domains.tested}
        if both:
            raise UserError(
                f"{counted(len(both), 'video')} of the target, such as {min(both)}, would be learned from as the "
                "source's: give two domains"
            )


@dataclass(frozen=True)
class _Training:
    """The training of a run. Of the target it holds an `Unlabelled`, and so no label."""

    task: Task
    clips: ResolvedRecipe
    classes: tuple[str, ...]
    videos: tuple[Video, ...]
    target: Unlabelled
    tubes: Tubes | None
    here: ClipStore
    there: ClipStore
    machine: Machine

    def go(self, network: nn.Module, out: Path, *, resume: bool) -> tuple[TrainResult, Method]:
        """Train in place; the method, with all that it has learned."""
        task, recipe = self.task, self.task.recipe
        setting = Setting(recipe, self.clips, len(self.classes), task.seed, self._classify, len(self.target.clips))
        method = build_method(task.method, setting)
        others = self._loader(self.target.numbered(), self.there) if task.method == "pseudo" else None
        source = DomainSource(self._loader(self.videos, self.here), others=others, tubes=self.tubes)
        result = train(
            Generalising(network, method, batch_size=recipe.batch_size, every=recipe.every),
            source,
            TrainConfig(self._loop(), self._optim(), recipe.batch_size, task.seed),
            out,
            resume=resume,
            progress=self.machine.progress,
        )
        return result, method

    def _classify(self, network: nn.Module) -> Tensor:
        """Probabilities (n, K) of the target's clips, on the network's device."""
        videos = self.target.numbered()
        p = predict(network, videos, self.there, self.clips.view_config(), threads=self.machine.decoders())
        return torch.from_numpy(p).to(next(network.parameters()).device)

    def _loader(self, videos: tuple[Video, ...], store: ClipStore) -> TrainLoader:
        return TrainLoader(
            videos,
            store,
            batch_size=self.task.recipe.batch_size,
            config=self.clips.clip_config(),
            seed=self.task.seed,
            threads=self.machine.decoders(),
        )

    def _loop(self) -> LoopConfig:
        recipe = self.task.recipe
        return LoopConfig(
            steps=recipe.steps,
            precision=recipe.precision,
            device=self.machine.device,
            channels_last=trains_channels_last(self.clips.model, self.machine.device),
            val_every=0,
            checkpoint_every=_CHECKPOINT_STEPS,
            tensorboard=False,
        )

    def _optim(self) -> OptimConfig:
        """Adam at a constant rate: AdamW without decay."""
        lr = self.task.recipe.lr * _CLIPS / self.task.recipe.batch_size
        return OptimConfig(lr=lr, final_lr=lr, weight_decay=0.0, warmup=0.0)


def _test(
    task: Task,
    clips: ResolvedRecipe,
    domains: Domains,
    network: nn.Module,
    method: Method,
    result: TrainResult,
    stores: tuple[ClipStore, ClipStore],
    out: Path,
    machine: Machine,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Test in both domains, and leave what came of it."""
    here, there = stores
    views, threads = clips.view_config(), machine.decoders()
    p = predict(network, domains.tested, there, views, threads=threads, progress=machine.progress)
    held = predict(network, domains.held, here, views, threads=threads) if domains.held else None
    target_scores = _accuracies(p, domains.tested)
    found = {
        **{name: settings[name] for name in ("method", "seed", "study")},
        "source": task.source.target.name,
        "target": task.target.target.name,
        "classes": list(domains.classes),
        "target_scores": asdict(target_scores),
        "source_scores": None if held is None else asdict(_accuracies(held, domains.held)),
        "found": method.found(),
        "target_unlabelled_in_training": task.method == "pseudo",
        "left_out": list(domains.left_out),
        "trained_clips": len(domains.train),
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "precision": result.precision,
        "init": {name: settings["init"][name] for name in ("kind", "sha256")} | {"label": task.init.label},
        "settings": _alike(task, domains, settings),
        "versions": versions(resolve_device(machine.device)),
    }
    card = Card(
        architecture=clips.model,
        num_classes=len(domains.classes),
        clip_len=clips.clip_len,
        size=clips.size,
        frame_stride=clips.frame_stride,
        mean=clips.mean,
        std=clips.std,
        seed=task.seed,
        stream_version=None,
        config={**settings, "classes": list(domains.classes)},
        metrics={name: found["target_scores"][name] for name in ("top1", "top5", "mean_class")},
        precision=result.precision,
    )
    save_weights(out / WEIGHTS, network, card)
    write_predictions(out / PREDICTIONS, domains.tested, p, domains.classes)
    finish(out, found)
    return found


def _accuracies(probabilities: Any, videos: tuple[Video, ...]) -> Accuracies:
    return Accuracies(videos=len(videos), **scores(probabilities, labels_of(videos)))


def _settings(task: Task, clips: ResolvedRecipe, domains: Domains) -> dict[str, Any]:
    """What decides about a run, and what one that goes on has to agree with. Labels of the target do not."""
    shown = clips.view_config()
    init = replace(task.init, label="", path=None)
    return {
        "method": task.method,
        "seed": task.seed,
        "study": task.recipe.study,
        "init": asdict(init),
        "sampling": clips.sampling,
        "views": clips.views,
        "crops": 1,
        "recipe": asdict(task.recipe),
        "clips": {"model": clips.model, **asdict(shown)},
        "source_videos": digest_of([[v.path, v.start, v.end, domains.classes[v.label]] for v in domains.train]),
        "target_videos": digest_of([asdict(clip) for clip in domains.unlabelled().clips]),
        "boxes": None if task.boxes is None else hashlib.sha256(task.boxes.read_bytes()).hexdigest(),
    }


def _alike(task: Task, domains: Domains, settings: Mapping[str, Any]) -> str:
    """A digest of what runs have in common that one table compares: all but the method, its boxes and the seed."""
    drawn = task.recipe.clips_per_class is not None  # by the seed
    source = [data_name(task.source), domains.classes, None if drawn else settings["source_videos"]]
    return digest_of([source, *(settings[name] for name in ("study", "init", "recipe", "clips", "target_videos"))])
