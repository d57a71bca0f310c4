"""Ani-GIFs and Kinetics-GIFs: domain generalisation of action recognition, from filmed to animated GIFs.

Majumdar et al., "Ani-GIFs: A benchmark dataset for domain generalization of action recognition from GIFs", Frontiers in
Computer Science 4, 2022. How a GIF becomes 9 to 60 frames stands in `fractalvid.video.decoding.gif`.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from fractalvid.finetune.targets.base import TargetProtocol, Video, contents, require_folder
from fractalvid.finetune.targets.files.lists import class_key
from fractalvid.finetune.targets.files.matching import note_left_aside
from fractalvid.finetune.targets.folder import Folder
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import first_few
from fractalvid.video.folders import find_videos

_ARTICLE = "https://doi.org/10.3389/fcomp.2022.876846"
_OBTAIN = {
    "anigifs": (
        f"Ani-GIFs (17,095 animated GIFs in 536 classes) is given out by the authors of {_ARTICLE}, whose data "
        "availability statement says where. Unpack it so that each class has a folder: `<class>/<name>.gif`."
    ),
    "kinetics-gifs": (
        f"Kinetics-GIFs (Kinetics-600 clips as GIFs of 40 frames) is given out by the authors of {_ARTICLE}, or made "
        "of Kinetics-600: 40 frames at equal spacing of each clip. Each class has a folder: `<class>/<name>.gif`."
    ),
}
_LAYOUT = "<class>/<name>.gif, the classes named as in Kinetics-600"
# 40 frames at 224 x 224 pixels are the article's clips.
_PROTOCOL = TargetProtocol(clip_len=40, frame_stride=1, views=1)
_CLASSES = {"anigifs": 536, "kinetics-gifs": 600}


@dataclass(frozen=True)
class Gifs:
    """GIFs in a folder for each class, all of them to test on, for there is no official split.

    `table` (the target `folder`'s kind) splits them into training and test; `most_frequent` keeps the classes with the
    most GIFs, that many: 40 are the article's split for domain adaptation.
    """

    domain: str = "anigifs"
    table: Folder | None = None
    most_frequent: int | None = None

    @property
    def name(self) -> str:
        """The domain, and the number of classes that are kept."""
        return self.domain if self.most_frequent is None else f"{self.domain}-{self.most_frequent}"

    @property
    def protocol(self) -> TargetProtocol:
        """The article's clips, one to a GIF."""
        return replace(_PROTOCOL, num_classes=self.most_frequent or _CLASSES[self.domain])

    @property
    def obtain(self) -> str:
        """Where the GIFs come from."""
        return _OBTAIN[self.domain]

    @property
    def layout(self) -> str:
        """A folder for each class."""
        return _LAYOUT

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        """Names of the folders or of the table's labels, in alphabetical order."""
        return self._read(root, split)[0]

    def index(self, root: Path, split: str) -> list[Video]:
        """All GIFs of the classes that are kept."""
        return self._read(root, split)[1]

    def _read(self, root: Path, split: str) -> tuple[tuple[str, ...], list[Video]]:
        require_folder(root, _LAYOUT)
        if self.table is None:
            names, videos = _from_folders(root)
        else:
            names, videos = self.table.classes(root, split), self.table.index(root, split)
        if self.most_frequent is None:
            return names, videos
        if self.most_frequent > len(names):
            raise UserError(f"--most-frequent is {self.most_frequent}: {root} has {len(names)} classes")
        counts = Counter(video.label for video in videos)
        kept = sorted(sorted(counts, key=lambda label: (-counts[label], label))[: self.most_frequent])
        new = {old: label for label, old in enumerate(kept)}
        return tuple(names[old] for old in kept), [replace(r, label=new[r.label]) for r in videos if r.label in new]

    def group(self, path: str) -> str | None:
        """What the table says of where a GIF comes from."""
        return None if self.table is None else self.table.group(path)


def _from_folders(root: Path) -> tuple[tuple[str, ...], list[Video]]:
    found = find_videos(root, depth=2)
    names = [folder for folder in found.folders if "/" not in folder]
    videos: dict[str, list[str]] = {name: [] for name in names}
    for path in found.videos:
        name, slash, _ = path.partition("/")
        if slash:
            videos[name].append(path)
        else:
            found.left.add("in no folder of a class", path)
    if not any(videos.values()):
        held = f"; left aside: {found.left}" if found.left else ""
        raise UserError(f"{root} holds no GIFs in class folders: expected {_LAYOUT}, found {contents(root)}{held}")
    note_left_aside(root, found.left)
    empty = [name for name in names if not videos[name]]
    if empty:
        raise UserError(f"class folder(s) without a GIF in {root}: {first_few(empty)}; fill or remove them")
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(class_key(name), name)
        if other != name:
            raise UserError(f"the class folders {other!r} and {name!r} in {root} are one class; put them together")
    return tuple(names), [Video(gif, label, "test") for label, name in enumerate(names) for gif in videos[name]]
