"""The methods by their names."""

from collections.abc import Callable
from dataclasses import dataclass

from fractalvid.finetune.explain.gradcam import last_maps
from fractalvid.finetune.generalise.config import GeneraliseRecipe, MethodName
from fractalvid.finetune.generalise.methods.base import Method
from fractalvid.finetune.generalise.methods.explain import Explain
from fractalvid.finetune.generalise.methods.plain import Plain
from fractalvid.finetune.generalise.methods.pseudo import Classify, Pseudo
from fractalvid.finetune.generalise.methods.rada import Ascent, SimplifiedRada
from fractalvid.finetune.generalise.methods.random_pool import RandomPool
from fractalvid.finetune.generalise.methods.search import Search
from fractalvid.finetune.generalise.objective import renewals
from fractalvid.finetune.generalise.pool import Pixels
from fractalvid.finetune.recipes.plan import ResolvedRecipe
from fractalvid.pretrain.models import head_name


@dataclass(frozen=True)
class Setting:
    """What methods are made from.

    Attributes:
        recipe: their settings.
        clips: what clips and network came to.
        classes: K.
        seed: of the run.
        classify: what a network says of the target's clips.
        others: how many clips the target has.
    """

    recipe: GeneraliseRecipe
    clips: ResolvedRecipe
    classes: int
    seed: int
    classify: Classify
    others: int

    @property
    def pixels(self) -> Pixels:
        """What normalised clips are."""
        return Pixels(self.clips.mean, self.clips.std)

    @property
    def renewals(self) -> int:
        """How often the method is renewed in the whole run."""
        return renewals(self.recipe.steps, self.recipe.every)


def build_method(name: MethodName, setting: Setting) -> Method:
    """The method of that name, having learned nothing."""
    return _METHODS[name](setting)


def _search(setting: Setting) -> Method:
    return Search(setting.pixels, setting.seed, rounds=setting.recipe.rounds, searches=setting.renewals)


def _rada(setting: Setting) -> Method:
    recipe, clips = setting.recipe, setting.clips
    return SimplifiedRada(
        setting.pixels,
        setting.seed,
        Ascent(recipe.ascents, recipe.ascent_rate, recipe.penalty, recipe.consistency),
        head_name(clips.model),
        (recipe.batch_size, 3, clips.clip_len, clips.size, clips.size),
        setting.classes,
        setting.renewals,
    )


_METHODS: dict[MethodName, Callable[[Setting], Method]] = {
    "plain": lambda _: Plain(),
    "random": lambda setting: RandomPool(setting.pixels, setting.seed),
    "search": _search,
    "explain": lambda setting: Explain(last_maps(setting.clips.model)),
    "pseudo": lambda setting: Pseudo(setting.classify, setting.others, threshold=setting.recipe.threshold),
    "rada": _rada,
}
