"""The files behind the names that lists have, as copies of a data set have come to call them; what is left aside."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from fractalvid.finetune.targets.base import Video
from fractalvid.utils.messages.notes import note
from fractalvid.utils.messages.phrases import counted, first_few
from fractalvid.video.folders import LeftAside, find_videos, subfolders, without

# What data sets are given out with beside their videos: lists, their descriptions, archives.
_BESIDE = (".txt", ".csv", ".json", ".md", ".pdf", ".html", ".xml", ".sh", ".rar", ".zip", ".tar", ".gz", ".tgz", ".7z")


def composed(name: str) -> str:
    """A name in Unicode's composed form: file systems and lists write one name in two ways."""
    return unicodedata.normalize("NFC", name)


def note_left_aside(root: Path, left: LeftAside) -> None:
    """Tell the user what lies in a data folder and is left aside."""
    if left:
        note(f"left aside in {root}: {left}")


def benchmark_videos(root: Path, base: Path | None = None, *, depth: int = 2) -> list[str]:
    """The videos of a benchmark in `base` (default: `root`) and the folders in it, relative to `root`, with `/`.

    What is left aside is noted, but for what the benchmark itself has beside its videos.
    """
    base = base or root
    below = "" if base == root else base.relative_to(root).as_posix() + "/"
    found, left = find_videos(base, depth=depth), LeftAside()
    left.extend(without(found.left, _BESIDE), below)
    note_left_aside(root, left)
    return [below + path for path in found.videos]


def match_files(listed: Iterable[str], files: Iterable[str], fold: Callable[[str], str] = composed) -> dict[str, str]:
    """Find the file of each listed name.

    A name that is there exactly is its own file. Any other takes the file that differs from it by what `fold` takes
    away, else by case as well, else by its ending as well, if exactly one listed name and one file without an exact
    entry share that form. Of files that differ in nothing but their ending, the first is taken.

    Returns:
        listed name -> file name, without the names that have no file.
    """
    names, there = list(dict.fromkeys(listed)), set(files)
    matched = {name: name for name in names if name in there}
    forms: tuple[Callable[[str], str], ...] = (
        fold,
        lambda name: fold(name).casefold(),
        lambda name: os.path.splitext(fold(name).casefold())[0],
    )
    for form in forms:
        taken = set(matched.values())
        wanted, spare = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
        for name in names:
            if name not in matched:
                wanted[form(name)].append(name)
        if not wanted:
            break
        for file in sorted(there - taken):
            spare[form(file)].append(file)
        for key, candidates in wanted.items():
            stems = {os.path.splitext(file)[0] for file in spare.get(key, ())}
            if len(candidates) == 1 and len(stems) == 1:
                matched[candidates[0]] = spare[key][0]
    return matched


def note_matches(name: str, matched: Mapping[str, str], files: Iterable[str]) -> None:
    """Tell the user how many listed names (`matched`: listed -> file) are not quite those of their files.

    Also where a file that is taken lies beside others that differ from it in nothing but the ending.
    """
    endings, spellings, beside = list[str](), list[str](), list[str]()
    twins = defaultdict[str, list[str]](list)
    for file in files:
        twins[os.path.splitext(file)[0]].append(file)
    for listed, file in matched.items():
        if PurePosixPath(listed).suffix.casefold() != PurePosixPath(file).suffix.casefold():
            endings.append(f"{file} for {PurePosixPath(listed).name}")
        elif PurePosixPath(listed).name != PurePosixPath(file).name:
            spellings.append(f"{file} for {PurePosixPath(listed).name}")
        others = [other for other in twins[os.path.splitext(file)[0]] if other != file]
        beside += [f"{file}, not {PurePosixPath(other).name}" for other in others[:1]]
    for found, how in ((endings, "with another ending"), (spellings, "in another spelling (case, Unicode, signs)")):
        if found:
            videos = counted(len(found), "listed video")
            note(f"{name}: {videos} {'is' if len(found) == 1 else 'are'} there {how}, such as {first_few(found[:1])}")
    if beside:
        videos = counted(len(beside), "listed video")
        note(f"{name}: of {videos} there are files with several endings; taken is {first_few(beside, 3)}")


def find_listed(name: str, root: Path, listed: Iterable[str]) -> dict[str, str]:
    """Find the files of paths below `root` that are not there as they are listed, folder by folder.

    Returns:
        listed path -> path of the file, of those that are there under a name that is alike (`match_files`). What was
        found so is noted; `name` says whose list it is.
    """
    by_folder = defaultdict[str, list[str]](list)
    for path in listed:
        by_folder[path.rpartition("/")[0]].append(path)
    matched, there = dict[str, str](), list[str]()
    for folder, paths in by_folder.items():
        if all(os.path.lexists(root / path) for path in paths):
            continue
        place = _folder_like(root, folder)
        if place is None:
            continue
        start = f"{place}/" if place else ""
        files = find_videos(root / place, depth=1).videos
        names = {path: PurePosixPath(path).name for path in paths}
        found = match_files(names.values(), files)
        there += [start + file for file in files]
        matched |= {path: start + found[name] for path, name in names.items() if name in found}
    note_matches(name, matched, there)
    return {path: file for path, file in matched.items() if path != file}


def _folder_like(root: Path, folder: str) -> str | None:
    """The folder below `root` that is called so, but for case and Unicode; None where there is none, or several."""
    if os.path.isdir(root / folder):
        return folder
    here = ""
    for part in PurePosixPath(folder).parts:
        start = f"{here}/" if here else ""
        if not os.path.isdir(root / start / part):
            names = subfolders(root / here)
            alike = [other for other in names if composed(other) == composed(part)]
            alike = alike or [other for other in names if composed(other).casefold() == composed(part).casefold()]
            if len(alike) != 1:
                return None
            part = alike[0]
        here = start + part
    return here


def placed(listed: Sequence[Video], root: Path, base: Path, files: Collection[str], *, of: str) -> list[Video]:
    """Listed videos with the paths below `root` of the files that they are, or would be.

    Args:
        listed: their paths are names in `base`.
        root: of the data.
        base: the folder of the videos.
        files: names of those that are there.
        of: the benchmark, for notes.
    """
    matched = match_files((video.path for video in listed), files)
    note_matches(of, matched, files)
    return [
        replace(video, path=(base / matched.get(video.path, video.path)).relative_to(root).as_posix())
        for video in listed
    ]
