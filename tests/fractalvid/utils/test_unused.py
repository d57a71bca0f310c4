"""Settings without effect: found, named, and given way to."""

from dataclasses import dataclass, field, replace

import pytest

from fractalvid.utils.errors import UserError
from fractalvid.utils.unused import Rule, check_unused, unused, without_unused


@dataclass(frozen=True)
class Glaze:
    colour: str = "white"
    shine: float = 0.5


@dataclass(frozen=True)
class Cake:
    layers: int = 1
    cream: bool = False
    glazed: bool = False
    glaze: Glaze = field(default_factory=Glaze)


RULES: tuple[Rule[Cake], ...] = (
    Rule(("cream",), lambda cake: cake.layers > 1, "there is one layer"),
    Rule(("glaze.colour", "glaze.shine"), lambda cake: cake.glazed, lambda cake: f"{cake.layers} layers are bare"),
    Rule(("glaze",), lambda cake: cake.glazed, "it is bare"),
)


def test_defaults_and_what_has_an_effect_are_fine() -> None:
    for cake in (Cake(), Cake(layers=2, cream=True), Cake(glazed=True, glaze=Glaze("red", 1.0))):
        assert not list(unused(cake, RULES))
        check_unused(cake, RULES)


def test_all_that_is_without_effect_is_found() -> None:
    found = list(unused(Cake(cream=True, glaze=Glaze(shine=1.0)), RULES))
    assert found == [("cream", "there is one layer"), ("glaze.shine", "1 layers are bare"), ("glaze", "it is bare")]
    assert not list(unused(Cake(cream=True), RULES, {"cream": True}))


@pytest.mark.parametrize(
    ("cake", "rules", "said"),
    [
        (Cake(cream=True), RULES, "cream is set, but there is one layer: leave it out, or set it to false"),
        (Cake(glaze=Glaze(shine=1.0)), RULES, "shine is set, but 1 layers are bare: leave it out, or set it to 0.5"),
        (Cake(glaze=Glaze("red")), RULES[2:], "glaze is set, but it is bare: leave it out"),
    ],
)
def test_the_first_is_refused(cake: Cake, rules: tuple[Rule[Cake], ...], said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}$"):
        check_unused(cake, rules)


def test_what_is_inherited_gives_way_and_what_is_asked_for_does_not() -> None:
    recipe = Cake(glazed=True, glaze=Glaze("red", 1.0))
    bare = replace(recipe, glazed=False)
    assert without_unused(bare, recipe, RULES) == Cake()
    asked = replace(bare, glaze=Glaze("blue", 1.0))
    assert without_unused(asked, recipe, RULES[:2]).glaze == Glaze("blue")
