from .plan import Plan as Plan
from .plan import plan_run as plan_run
from .recipe import RECIPES as RECIPES
from .recipe import Metric as Metric
from .recipe import Mode as Mode
from .recipe import Recipe as Recipe
from .recipe import load_recipe as load_recipe
