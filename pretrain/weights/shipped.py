"""Weights that come with the program, by their names for `--init`."""

from pathlib import Path

SMALL = "fractal-small"
_FOLDER = Path(__file__).parent / "shipped_files"


def shipped_names() -> tuple[str, ...]:
    """Names of the weights that come with the program."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.safetensors")))


def shipped_weights(name: str) -> Path | None:
    """The file of the weights `name` that come with the program, its card beside it; None if there are none."""
    return _FOLDER / f"{name}.safetensors" if name in shipped_names() else None


def at_path_or_shipped(path: Path | str) -> Path:
    """The path; or, where nothing lies there, that of the weights of this name that come with the program, if any."""
    found = None if Path(path).exists() else shipped_weights(str(path))
    return found or Path(path)
