"""Digests of what lay on disk when a run began: it goes on with the same clips, wherever they lie now."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fractalvid.utils.errors import UserError

_FOLDERS = {"data": "clips", "videos": "videos"}
"""Options that name folders, and what lies in these."""


def check_same_folders(kept: Mapping[str, Any], config: Mapping[str, Any], out: Path) -> None:
    """Raise a `UserError` where a run began with a folder of clips that is not given now, or without one that is."""
    for name in _FOLDERS:
        before, now = kept.get(name) is not None, config.get(name) is not None
        if now and not before:
            raise UserError(f"the run in {out} began without --{name}: leave it out")
        if before and not now:
            raise UserError(f"the run in {out} began with --{name} {kept[name]}: give it again (--resume and --out do)")


def check_same_clips(kept: Mapping[str, Any], config: Mapping[str, Any], out: Path) -> None:
    """Raise a `UserError` where a run would go on with other clips from disk than it began with.

    Args:
        kept: the configuration that the run began with, as JSON has it.
        config: the one that it is to go on with, likewise; `found` in both are the digests of what `data` and `videos`
            held, in this order.
        out: the folder of the run.
    """
    check_same_folders(kept, config, out)
    before, now = _digests(kept), _digests(config)
    for name, what in _FOLDERS.items():
        if before.get(name) != now.get(name):
            raise UserError(
                f"the {what} in {config[name]} are not those that the run in {out} began with: some were added, "
                "removed, renamed or replaced since; put back what was there, or choose another --out"
            )


def _digests(config: Mapping[str, Any]) -> dict[str, str]:
    given = [name for name in _FOLDERS if config.get(name) is not None]
    return dict(zip(given, (config.get("found") or "").split(), strict=False))
