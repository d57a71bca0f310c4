from .comparable import check_comparable as check_comparable
from .predictions import Predictions as Predictions
from .predictions import read_predictions as read_predictions
from .read import RunResult as RunResult
from .read import find_runs as find_runs
from .read import read_run as read_run
