"""The shortcut probe of fine-tuned weights on the test videos of a benchmark."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.debias.masks import Masks, check_masks
from fractalvid.finetune.explain.answers import Answerer, Answers
from fractalvid.finetune.explain.shortcut_result import ShortcutResult, summarise
from fractalvid.finetune.explain.shortcuts import Ints, other_backgrounds
from fractalvid.finetune.results.scores import labels_of
from fractalvid.finetune.run.outcome import describe_clips, describe_videos, versions
from fractalvid.finetune.run.test import WeightsTest, list_tested
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.videos.data import decode_listed, index_videos
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.machine import resolve_device
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import make_folder, write_text
from fractalvid.utils.messages.phrases import counted


def find_shortcuts(test: WeightsTest, folder: Path, *, out: Path, machine: Machine, seed: int = 0) -> ShortcutResult:
    """Probe weights on test videos; `out` gets shortcuts.json and shortcuts.md.

    Args:
        test: the weights, and the videos.
        folder: masks of the people in the videos (`fractalvid.finetune.debias.masks`).
        out: folder for what is found.
        machine: what may be used.
        seed: which background each video gets.

    Raises:
        UserError: data, weights or masks do not serve; all that can be known before is said before the network is
            asked.
    """
    if not folder.is_dir():
        raise UserError(f"--masks {folder} is no folder; finetune prepare --masks makes one")
    trained, target = test.trained, test.data.target
    listing, classes, left_out = list_tested(test, machine)
    _check_classes(target.name, listing.videos)
    network, device = trained.network(), resolve_device(machine.device)
    listing = decode_listed(test.data, listing, machine)
    videos = listing.videos
    _check_classes(target.name, videos)  # one may have lost all its videos
    masks = _open_masks(test.data.root, videos, folder, machine)
    groups = [target.group(video.path) for video in videos]
    sources = [group or video.path for group, video in zip(groups, videos, strict=True)]
    labels = labels_of(videos)
    place = other_backgrounds(labels, seed, sources)
    stores = machine.stores()
    store = stores.get(test.data.root, decoded_side(trained.views.size))
    answerer = Answerer(network.to(device), trained.views, classes.columns)
    answers = answerer.ask(videos, place, store, masks, threads=machine.decoders(), progress=machine.progress)
    found = summarise(answers, labels, place, sources, grouped=any(groups), classes=len(classes.columns))
    about = {
        **{"target": target.name, "split": test.split, "init": vars(test.init).copy(), "seed": seed},
        **{"trained_on": test.trained_on, "masks": str(folder), "left_out": left_out},
        **describe_clips(trained.views, trained.card.architecture),
        **describe_videos(listing, trained.views),
        **{"found": found.to_dict(), "answers": _rows(videos, answers, place, classes.names)},
        "versions": versions(device),
    }
    make_folder(out)
    write_text(out / "shortcuts.md", f"# Shortcuts of {test.init.label} on {target.name}\n\n{found.table()}\n")
    write_text(out / "shortcuts.json", json.dumps(about, indent=2) + "\n")
    return found


def _check_classes(name: str, videos: Sequence[Video]) -> None:
    """Raise `UserError` unless there are videos of two classes."""
    if len({video.label for video in videos}) < 2:
        raise UserError(f"the test videos of {name} are of one class: backgrounds are swapped between 2 at least")


def _open_masks(root: Path, videos: Sequence[Video], folder: Path, machine: Machine) -> Masks:
    """The masks of videos below `root`, each read once. Raises `UserError` where one is lacking or does not fit."""
    paths = list(dict.fromkeys(video.path for video in videos))
    index = index_videos(root, paths, machine)
    check_masks(folder, paths, index.facts, threads=machine.decoders())
    tqdm.write(f"masks of {counted(len(paths), 'video')} read")
    return Masks(folder, index.facts)


def _rows(videos: Sequence[Video], answers: Answers, place: Ints, names: Sequence[str]) -> list[dict[str, Any]]:
    """What was said of each video."""
    rows = []
    for k, (video, behind) in enumerate(zip(videos, (videos[k] for k in place), strict=True)):
        cut = {} if video.start is None else {"start": video.start}
        rows.append(
            {"path": video.path, **cut, "class": names[video.label], "somebody": bool(answers.seen[k])}
            | {"whole": names[answers.whole[k]], "masked": names[answers.masked[k]]}
            | {"background": behind.path, "background_class": names[behind.label]}
            | {"swapped": names[answers.swapped[k]]}
        )
    return rows
