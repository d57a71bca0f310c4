"""The folder of a run: what lies in it, whose it is, and whether a run may use it."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fractalvid.core.constants import WEIGHTS_FILE
from fractalvid.finetune.recipes.plan import Plan
from fractalvid.finetune.targets.base import Target
from fractalvid.finetune.videos.listing import Listing
from fractalvid.pretrain.engine import CHECKPOINT
from fractalvid.pretrain.recipes import differences as differing_names
from fractalvid.utils.documents import Table, parse_json, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_can_make, is_empty, make_folder, remove_temporaries, write_text

CONFIG, METRICS, VALIDATION, LOG, PREDICTIONS, CONFUSION, WEIGHTS = (
    "config.json",
    "metrics.json",
    "validation.json",
    "metrics.jsonl",
    "predictions.csv",
    "confusion.png",
    WEIGHTS_FILE,
)
_FILES = "files_digest"


def videos_digest(listing: Listing, target: Target) -> str:
    """BLAKE2b, in hexadecimal, of what a run trains and tests on.

    That is the names of the classes and, of each video in the listing's order (which training follows), its path, cut,
    label, side and source.
    """
    digest = hashlib.blake2b(json.dumps(listing.classes).encode(), digest_size=16)
    for video in listing.videos:
        line = (video.path, video.start, video.end, video.label, video.side, target.group(video.path))
        digest.update(b"\n" + json.dumps(line).encode())
    return digest.hexdigest()


def files_digest(listing: Listing) -> str | None:
    """The same of the files of a listing whose videos decode; None of another.

    That is how many frames of which size decode of each: what a copy has, wherever it lies and whenever it was made.
    """
    if not listing.files:
        return None
    return hashlib.blake2b(json.dumps(listing.files).encode(), digest_size=16).hexdigest()


def run_name(plan: Plan) -> str:
    """What the folder of a run is called, below that of its initialisation."""
    return repetition_name(plan.split, plan.seed)


def repetition_name(split: str, seed: int) -> str:
    """As "split-1_seed-0", or "seed-0" where there are no splits."""
    return f"split-{split}_seed-{seed}" if split else f"seed-{seed}"


def compared_name(mode: str, split: str, seed: int) -> str:
    """The same in a comparison: the linear probe's has its mode in the name, so that fine-tuning may lie beside it."""
    name = repetition_name(split, seed)
    return f"linear_{name}" if mode == "linear" else name


def check_folder(out: Path, plan: Plan, *, resume: bool, extends: bool = False) -> None:
    """Make sure that the run may use `out`: a new or empty folder, or with `resume` its own unfinished run.

    Args:
        out: the folder.
        plan: what the run that is there has to agree with.
        resume: whether one may be there.
        extends: whether it is to go on for another number of epochs, for which a finished one will do.

    Raises:
        UserError: the folder holds a finished run, another run or something else, or cannot be made.
    """
    check_can_make(out)
    if (out / METRICS).exists() and not (resume and extends):
        with suppress(UserError):  # settings that can't be read are nobody's
            if not differences(out, plan):
                tidy_finished(out)
        after = what_next(out) if resume else "choose another --out, or remove it"
        raise UserError(f"{out} holds a finished run; {after}")
    if (out / CONFIG).exists():
        if not resume:
            raise UserError(f"{out} holds an unfinished run; --resume continues it, or choose another --out")
        _check_settings(out, plan)
        return
    if out.is_dir() and not is_empty(out):
        raise UserError(f"--out {out} is not empty and holds no fine-tuning run; choose another folder")


def check_begun(out: Path, plan: Plan) -> None:
    """Make sure that a folder is that of a run, begun or finished, or of none yet.

    Raises:
        UserError: it holds something else, or a run with other settings.
    """
    if (out / CONFIG).exists():
        _check_settings(out, plan)
    elif out.exists() and (not out.is_dir() or not is_empty(out)):
        raise UserError(f"{out} holds something else than a run; remove it, or choose another --out")


def _check_settings(out: Path, plan: Plan) -> None:
    differing = differences(out, plan)
    if differing:
        raise UserError(f"{out} was begun with other settings ({'; '.join(differing[:3])}); choose another --out")


def what_next(out: Path) -> str:
    """How one can go on from a finished run."""
    if keeps_checkpoint(out):
        return "--resume with more --epochs goes on with it"
    return (
        f"it kept no checkpoint (--keep-checkpoint) to go on from: begin another from its weights, as with --init "
        f"{out} and another --out"
    )


def finished_metrics(out: Path, plan: Plan) -> dict[str, Any] | None:
    """What the finished run in `out` says, where it is of this plan; None where there is no such run.

    What one that was killed in its last moment has left is removed.
    """
    with suppress(UserError):  # settings that can't be read are nobody's
        if (out / METRICS).exists() and not differences(out, plan):
            tidy_finished(out)
            return read_json(out / METRICS, Table, what="the results")
    return None


def keeps_checkpoint(out: Path) -> bool:
    """Whether a finished run was asked to keep its checkpoint."""
    try:
        return read_json(out / METRICS, Table, what="the results").get("kept_checkpoint") is True
    except UserError:
        return False


def tidy_finished(out: Path) -> None:
    """Remove what a finished run no longer needs, and what one that was killed in doing so has left."""
    if not keeps_checkpoint(out):
        (out / CHECKPOINT).unlink(missing_ok=True)
    remove_temporaries(out)


def claim_folder(out: Path, plan: Plan) -> None:
    """Make `out` the run's folder: write `config.json`. Raises `UserError` where that cannot be done."""
    if out.is_dir():
        remove_temporaries(out)
    if not (out / CONFIG).exists():
        write_plan(out, plan)


def write_plan(out: Path, plan: Plan) -> None:
    """Write the `config.json` of a run. Raises `UserError` where that cannot be done."""
    write_config(out, _kept(plan))


def _kept(plan: Plan) -> dict[str, Any]:
    """What the folder of a run keeps of its plan: also which files it has, so that it goes on with the same."""
    return plan.to_dict() | ({} if plan.files_digest is None else {_FILES: plan.files_digest})


def write_config(out: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder and write `config.json`. Raises `UserError` where that cannot be done."""
    make_folder(out)
    write_text(out / CONFIG, json.dumps(settings, indent=2) + "\n")


def differences(out: Path, plan: Plan) -> list[str]:
    """How the settings of the run in `out` differ from `plan`, as "epochs: 30, not 20".

    The lists of videos, and what their frames are read from, are compared once both are known.
    """
    new = parse_json(json.dumps(_kept(plan)), Table, where="the plan")
    old = _read_config(out)
    # What a run is called or where its weights lie does not change it: their content does.
    ignored = {"init.label", "init.path", "scenes", "masks"}
    ignored |= {name for name in ("videos_digest", "frames", "beside_digest") if new.get(name) is None}
    if _FILES not in old or _FILES not in new:  # earlier versions did not keep it
        ignored.add(_FILES)
    return [_differing(name, old, new) for name in differing_names(old, new) if name not in ignored]


def _differing(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if name == "videos_digest":
        return "the list of videos, their labels, sides or groups changed"
    if name == _FILES:
        return "the files of the videos changed, in their frames or their size"
    if name == "beside_digest":
        return "what --scenes and --masks hold changed"
    change = f"{name.replace('.', ' ')}: {_at(old, name)}, not {_at(new, name)}"
    return f"{change}, by finetune prepare --cache or another --cache-dir" if name == "frames" else change


def read_settings(out: Path) -> dict[str, Any]:
    """The `config.json` of a run, but for which files it has: finished runs of other copies compare.

    Raises:
        UserError: there is none, or it is damaged.
    """
    settings = _read_config(out)
    settings.pop(_FILES, None)
    return settings


def _read_config(out: Path) -> dict[str, Any]:
    return read_json(out / CONFIG, Table, what="the configuration")


def _at(tree: Any, name: str) -> Any:
    """The value of a dotted name, None where there is none."""
    for key in name.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
