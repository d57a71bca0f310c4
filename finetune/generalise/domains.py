"""Two domains side by side: the classes that both have, labelled clips of the source, clips of the target.

What is trained gets `Unlabelled`, a type that has no labels. Those of the target are in `Domains.tested` alone, which
only the test at the end is given.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fractalvid.finetune.targets.anigifs import Gifs
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.files.lists import class_key, read_csv, read_lines
from fractalvid.finetune.videos.data import Data, read_videos, split_name
from fractalvid.finetune.videos.few_shot import draw_few_shot
from fractalvid.finetune.videos.listing import Listing
from fractalvid.finetune.videos.machine import Machine
from fractalvid.finetune.weights.classes import place_of
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note
from fractalvid.utils.messages.phrases import counted, first_few

_COLUMNS = ("target", "source")


@dataclass(frozen=True)
class Clip:
    """A clip of which nobody says what it shows: its path below the data folder, and its cut."""

    path: str
    start: int | None
    end: int | None


@dataclass(frozen=True)
class Unlabelled:
    """The target as training may see it."""

    clips: tuple[Clip, ...]

    def numbered(self) -> tuple[Video, ...]:
        """The clips for a loader, with their places in this list where labelled videos have a class."""
        return tuple(Video(clip.path, place, "train", clip.start, clip.end) for place, clip in enumerate(self.clips))


@dataclass(frozen=True)
class Domains:
    """Both domains in the classes that they share.

    Attributes:
        classes: names, as the source has them.
        train: labelled clips of the source.
        held: of the source as well, to be tested on; may be empty.
        tested: clips of the target with their labels, for the test alone.
        left_out: lines on what is in one domain only.
    """

    classes: tuple[str, ...]
    train: tuple[Video, ...]
    held: tuple[Video, ...]
    tested: tuple[Video, ...]
    left_out: tuple[str, ...]

    def unlabelled(self) -> Unlabelled:
        """What training may see of the target."""
        return Unlabelled(tuple(Clip(video.path, video.start, video.end) for video in self.tested))


def read_class_list(path: Path) -> tuple[str, ...]:
    """Read the classes of a study, one a line; raises `UserError` where there are fewer than two, or one is twice."""
    names = [line.strip() for _, line in read_lines(path, "with the name of a class")]
    keys = [class_key(name) for name in names]
    twice = [name for name, key in zip(names, keys, strict=True) if keys.count(key) > 1]
    if twice:
        raise UserError(f"--classes {path} names {twice[0]!r} twice")
    if len(names) < 2:
        raise UserError(f"--classes {path} names {len(names)}; telling classes apart takes two")
    return tuple(names)


def read_mapping(path: Path) -> dict[str, str]:
    """Read which class of the source (column `source`) one of the target (`target`) is; empty: it is left out.

    Raises:
        UserError: it cannot be read, lacks a column, or names a class of the target twice or not at all.
    """
    columns, lines = read_csv(path, "--class-map ")
    if not set(_COLUMNS) <= set(columns):
        raise UserError(f"--class-map {path}: expected the columns {' and '.join(_COLUMNS)}")
    table: dict[str, str] = {}
    for number, line in lines:
        key = class_key(line["target"])
        if not key or key in table:
            wrong = f"{line['target']!r} is there twice" if key else "the class of the target is empty"
            raise UserError(f"--class-map {path}, line {number}: {wrong}")
        table[key] = line["source"]
    return table


def read_domains(
    source: Data,
    target: Data,
    machine: Machine,
    *,
    classes: Sequence[str] | None = None,
    mapping: Mapping[str, str] | None = None,
    clips_per_class: int | None = None,
    seed: int = 0,
    allow_missing: bool = False,
) -> Domains:
    """List both domains, and match their classes by name, whatever the case, spaces and underscores.

    Classes that only one domain has are left out and named.

    Args:
        source: whose training videos are learned from; of GIFs without a table, all.
        target: opened for its test videos alone.
        machine: what may be used.
        classes: of the source, those of the study; None for all that both have.
        mapping: what `read_mapping` gives.
        clips_per_class: so many training clips of each class.
        seed: draws those.
        allow_missing: whether listed videos may be missing.

    Raises:
        UserError: a domain is empty or can't be read, fewer than two classes are in both, a class of the study is
            missing in one, or a class has too few clips.
    """
    with naming_the_source():
        listed = _source_listing(source, machine, allow_missing=allow_missing)
    other = read_videos(target, split_name(target, None), machine, allow_missing=allow_missing)
    places = match_classes(listed.classes, other.classes, mapping or {})
    shared = sorted({place for place in places if place is not None})
    if classes is not None:
        shared = _of_study(classes, listed.classes, shared)
    if len(shared) < 2:
        raise UserError(
            f"the domains have {counted(len(shared), 'class', 'classes')} in common (source: "
            f"{first_few(listed.classes)}; target: {first_few(other.classes)}); telling classes apart takes two: "
            "--class-map says which class of the target is which of the source"
        )
    new = {place: label for label, place in enumerate(shared)}
    names = tuple(listed.classes[place] for place in shared)
    kept = _relabelled(listed, new, names)
    if clips_per_class is not None:
        kept = _balanced(kept, clips_per_class, seed)
    tested = tuple(
        replace(video, label=new[place]) for video in other.side("test") if (place := places[video.label]) in new
    )
    return Domains(names, kept.side("train"), kept.side("test"), tested, _left_out(listed, other, places, set(shared)))


@contextmanager
def naming_the_source() -> Iterator[None]:
    """Inside, errors about a benchmark's options name those of the source."""
    try:
        yield
    except UserError as error:
        text = re.sub("--(data|annotations|csv)", r"--source-\1", str(error).replace("--target", "--source"))
        raise UserError(f"--source: {text}") from error


def _source_listing(source: Data, machine: Machine, *, allow_missing: bool) -> Listing:
    """The source's videos; GIFs without a table, which are there to be tested on, are all learned from."""
    whole = isinstance(source.target, Gifs) and source.target.table is None
    data = replace(source, sides=("test",)) if whole else source
    listing = read_videos(data, split_name(data, None), machine, allow_missing=allow_missing)
    if not whole:
        return listing
    return replace(listing, videos=tuple(replace(video, side="train") for video in listing.videos))


def match_classes(source: Sequence[str], target: Sequence[str], mapping: Mapping[str, str]) -> list[int | None]:
    """For each class of the target, its place among those of the source; None for none.

    Raises:
        UserError: the mapping names a class that a domain does not have.
    """
    keys = [class_key(name) for name in target]
    for key, meant in mapping.items():
        if key not in keys:
            raise UserError(f"--class-map: {key!r} is no class of the target{nearest_note(key, target)}")
        if meant and place_of(meant, source) is None:
            raise UserError(f"--class-map: {meant!r} is no class of the source{nearest_note(meant, source)}")
    meant_by = [mapping.get(key, name) for key, name in zip(keys, target, strict=True)]
    return [place_of(meant, source) if meant else None for meant in meant_by]


def _of_study(classes: Sequence[str], source: Sequence[str], shared: Sequence[int]) -> list[int]:
    """The places of a study's classes, all of which both domains need to have."""
    places = {name: place_of(name, source) for name in classes}
    for name, place in places.items():
        if place is None:
            raise UserError(f"--classes: {name!r} is no class of the source{nearest_note(name, source)}")
        if place not in shared:
            raise UserError(f"--classes: the target has no class {name!r}; --class-map may say which one is meant")
    return sorted(place for place in places.values() if place is not None)


def _relabelled(listing: Listing, new: Mapping[int, int], names: tuple[str, ...]) -> Listing:
    chosen = [k for k, video in enumerate(listing.videos) if video.label in new]
    videos = tuple(replace(listing.videos[k], label=new[listing.videos[k].label]) for k in chosen)
    return replace(listing, classes=names, videos=videos, frames=tuple(listing.frames[k] for k in chosen))


def _balanced(listing: Listing, clips: int, seed: int) -> Listing:
    counts = {name: sum(v.label == k for v in listing.side("train")) for k, name in enumerate(listing.classes)}
    few = [f"{name} ({count})" for name, count in counts.items() if count < clips]
    if few:
        raise UserError(f"--clips-per-class is {clips}: {first_few(few, 3)} have fewer; the smallest class decides")
    return draw_few_shot(listing, clips, seed)


def _left_out(source: Listing, target: Listing, places: Sequence[int | None], shared: set[int]) -> tuple[str, ...]:
    """A line on the classes of each domain that are not trained or tested."""
    alone = {
        "source": [name for place, name in enumerate(source.classes) if place not in shared],
        "target": [name for name, place in zip(target.classes, places, strict=True) if place not in shared],
    }
    return tuple(
        f"left out of the {domain}: {counted(len(names), 'class', 'classes')} ({first_few(names, 3)})"
        for domain, names in alone.items()
        if names
    )
