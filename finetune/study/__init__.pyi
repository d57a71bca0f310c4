from .axes import AXES as AXES
from .design import PRESETS as PRESETS
from .design import Column as Column
from .design import Study as Study
from .design import read_study as read_study
from .dryrun import dry_run as dry_run
from .run import run_study as run_study
