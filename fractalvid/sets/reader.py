"""Reading a generated set, whatever its format: rows of its manifest in, frames and masks out."""

import shlex
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fractalvid.sets.addresses.mirror import mirrored
from fractalvid.sets.addresses.place import RemoteFolder, place_of
from fractalvid.sets.card import config_of, part_of, read_card
from fractalvid.sets.formats import digest
from fractalvid.sets.formats.mask import decode_mask
from fractalvid.sets.formats.shards import mask_offset
from fractalvid.sets.manifest import MANIFEST_FILE, ManifestRow, mask_path, read_manifest
from fractalvid.utils.errors import UserError


class SetReader:
    """A generated set, read clip by clip; threads and processes may share it.

    Args:
        path: the set's folder, or its address (see `fractalvid.sets.addresses.place`).

    Attributes:
        place: where its files lie.
        path: a folder of this machine with its card, bank and manifest: the set's own, unless it lies elsewhere.
        name: the set's, in what is said of it.
        card: what dataset.json holds.
        config: the set's.
        classes: how many.
        part: which part of a set it is, mostly the whole.
        rows: of its manifest, in the manifest's order; a row for each clip that is complete.

    Raises:
        UserError: no generated set, a damaged one, or one of another version.
    """

    def __init__(self, path: str | Path) -> None:
        """See the class."""
        self.place = place_of(path)
        self.path = mirrored(self.place) if isinstance(self.place, RemoteFolder) else Path(path)
        self.name = self.place.address if isinstance(self.place, RemoteFolder) else str(path)
        self.card = read_card(self.path, self.name)
        self.config = config_of(self.card, self.name)
        self.classes: int = self.card["classes"]
        self.part = part_of(self.card)
        manifest = self.path / MANIFEST_FILE
        self.rows = read_manifest(manifest) if manifest.exists() else []

    @property
    def missing(self) -> int:
        """How many clips of a whole set are not made yet; a part does not say."""
        return max(0, self.classes * self.config.clips - len(self.rows)) if self.part.whole else 0

    def has(self, row: ManifestRow) -> bool:
        """Whether a row names a clip of the set; rows of a damaged manifest may not."""
        instance = row.instance_id - self.config.first_instance
        return 0 <= row.class_id < self.classes and 0 <= instance < self.config.clips

    def check_rows(self) -> None:
        """Refuse a manifest that names clips which the set does not have.

        Raises:
            UserError: the first of them.
        """
        odd = next((row for row in self.rows if not self.has(row)), None)
        if odd is not None:
            raise UserError(
                f"{self.name} has no clip {odd.class_id}/{odd.instance_id}, which its manifest names; "
                f"fractalvid verify {shlex.quote(self.name)} says more"
            )

    def check_files(self, *, masks: bool = False) -> None:
        """Refuse a set of which files are missing, those of masks too if wanted.

        Folders are listed, and no file is opened: damage shows when a file is read.

        Raises:
            ClipError: the first clip that lacks a file.
        """
        listed: dict[str, frozenset[str]] = {}
        for row in self.rows:
            for path in row.files() if masks else [row.path]:
                folder, _, name = path.rpartition("/")
                if folder not in listed:
                    listed[folder] = self.place.names(folder)
                if name not in listed[folder]:
                    raise self._broken(row, f"{path} is missing")

    def frames(self, row: ManifestRow) -> NDArray[np.uint8]:
        """A clip, uint8 (T, H, W), or (T, H, W, 3) in colour.

        Raises:
            ClipError: it is missing, cut short or damaged.
        """
        data = self.video_bytes(row)
        try:
            frames = self.config.file_format.decode(data, self.config.colour is not None)
        except UserError as error:
            raise self._broken(row, str(error)) from None
        if len(frames) != row.frames:
            raise self._broken(row, f"{len(frames)} of {row.frames} frames decode")
        return frames

    def mask(self, row: ManifestRow) -> NDArray[np.bool_]:
        """The foreground mask of a clip, bool (T, H, W); raises as `frames` does, and where the set has none."""
        if not row.mask_bytes:
            raise UserError(f"{self.name} has no masks: generate it with --masks")
        data = self.mask_bytes(row)
        try:
            return decode_mask(data, row.frames)
        except UserError as error:
            raise self._broken(row, f"its mask is broken: {error}") from None

    def video_bytes(self, row: ManifestRow) -> bytes:
        """The encoded clip, of which the manifest says `bytes` and `digest`; raises as `frames` does."""
        return self._checked(row, self._read(row, row.path, row.offset, row.bytes), row.digest)

    def mask_bytes(self, row: ManifestRow) -> bytes:
        """A clip's encoded mask; raises as `frames` does."""
        path, offset = (row.path, mask_offset(row)) if row.offset else (mask_path(row), 0)
        return self._checked(row, self._read(row, path, offset, row.mask_bytes), row.mask_digest)

    def _read(self, row: ManifestRow, path: str, offset: int, size: int) -> bytes:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise self._broken(row, f"{path} is no file of the set")
        try:
            data = self.place.read(path, offset, size)
        except OSError as error:
            raise self._broken(row, f"{path}: {error.strerror or error}") from None
        if len(data) < size:
            raise self._broken(row, f"{path} is cut short")
        return data

    def _checked(self, row: ManifestRow, data: bytes, said: str) -> bytes:
        """Bytes that are what the manifest says: a decoder makes frames of damaged ones too."""
        if digest(data) != said:
            raise self._broken(row, "its bytes are not what the manifest says")
        return data

    def _broken(self, row: ManifestRow, reason: str) -> "ClipError":
        return ClipError(
            f"clip {row.class_id}/{row.instance_id} of {self.name} can't be read: {reason}{self._repair()}", reason
        )

    def _repair(self) -> str:
        """What makes a clip again; nothing of a set elsewhere, which `verify` can't repair."""
        if isinstance(self.place, RemoteFolder):
            return ""
        return f"; fractalvid verify {shlex.quote(self.name)} --repair makes it again"


class ClipError(UserError):
    """A clip that can't be read; `reason` says why, without saying which it is."""

    def __init__(self, text: str, reason: str = "") -> None:
        """`text` is the whole line; workers of a DataLoader make the error again from it alone."""
        super().__init__(text)
        self.reason = reason
