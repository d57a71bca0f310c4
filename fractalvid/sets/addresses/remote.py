"""Making a set behind an address: clips are rendered here, and files go there as soon as they are complete."""

from pathlib import Path

from fractalvid.core.constants import BANK_FILE
from fractalvid.sets.addresses.mirror import PIECES_FOLDER, mirrored
from fractalvid.sets.addresses.place import RemoteFolder
from fractalvid.sets.card import CARD_FILE
from fractalvid.sets.manifest import MANIFEST_FILE, ManifestRow, write_manifest


class Upload:
    """Takes complete files of a set from a folder of this machine to an address.

    A row counts there when a piece of the manifest names it, and its file is there by then.

    Args:
        remote: the address.
        folder: where files are made; it gets the card, bank and manifest that are there already.

    Attributes:
        address: where they are taken.
    """

    def __init__(self, remote: RemoteFolder, folder: Path) -> None:
        """See the class."""
        self._remote, self._folder = remote, folder
        self.address = remote.address
        here = mirrored(remote)
        for name in (CARD_FILE, BANK_FILE, MANIFEST_FILE):
            if (here / name).exists():
                (folder / name).write_bytes((here / name).read_bytes())
        taken = [int(name.partition(".")[0]) for name in remote.names(PIECES_FOLDER) if name[:9].isdecimal()]
        self._piece = max(taken, default=0)

    def begin(self) -> None:
        """Put card and bank there, so that the address is that of a set."""
        self._remote.put(self._folder, [CARD_FILE, BANK_FILE])

    def add(self, rows: list[ManifestRow]) -> None:
        """Put the rows' files there, then the rows; the files here are removed."""
        names = list(dict.fromkeys(name for row in rows for name in row.files()))
        self._remote.put(self._folder, names)
        self._piece += 1
        piece = f"{PIECES_FOLDER}/{self._piece:09d}.csv"
        (self._folder / PIECES_FOLDER).mkdir(exist_ok=True)
        write_manifest(self._folder / piece, rows)
        self._remote.put(self._folder, [piece])
        for name in [*names, piece]:
            (self._folder / name).unlink()

    def finish(self) -> None:
        """Put one manifest there in the place of its pieces."""
        self._remote.put(self._folder, [MANIFEST_FILE])
        self._remote.remove(PIECES_FOLDER)
