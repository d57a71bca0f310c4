from .grid import GRIDS as GRIDS
from .grid import Grid as Grid
from .grid import read_grid as read_grid
from .plan import Cell as Cell
from .plan import Sweep as Sweep
from .plan import SweepRun as SweepRun
from .plan import plan_cells as plan_cells
from .run import run_sweep as run_sweep
