"""Recipes: TOML files that change fields of a configuration. Each is the record of an experiment."""

from pathlib import Path

from fractalvid.pretrain.recipes.fields import C, override
from fractalvid.utils.documents import Table, read_toml
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import suggestion

RECIPES = Path(__file__).parent


def recipe_names(folder: Path = RECIPES) -> tuple[str, ...]:
    """The recipes that come with the program."""
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


def find_recipe(name: str, folder: Path = RECIPES, *, what: str = "recipe") -> Path:
    """The file of a recipe: one that comes with the program by its name, or any TOML file by its path.

    `what` is a word for such files in messages.

    Raises:
        UserError: neither, naming the nearest that there is.
    """
    if name in recipe_names(folder):
        return folder / f"{name}.toml"
    if Path(name).suffix == ".toml":
        if Path(name).is_file():
            return Path(name)
        raise UserError(f"there is no {what} file {name}")
    known = recipe_names(folder)
    raise UserError(
        f"there is no {what} {name!r}{suggestion(name, known)}"
        f"There are {', '.join(known)}, or give the path of a .toml file"
    )


def load_recipe(name: str | Path, base: C, folder: Path = RECIPES) -> C:
    """`base` with the fields changed that the recipe names.

    Raises:
        UserError: no such recipe, no TOML, or a key or value the configuration doesn't know.
    """
    path = find_recipe(str(name), folder)
    return override(base, read_toml(path, Table, what="the recipe"), where=f"recipe {path}")


def headline(name: str, folder: Path = RECIPES) -> str:
    """The first comment of a recipe: what it is."""
    first = find_recipe(name, folder).read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ").strip()
