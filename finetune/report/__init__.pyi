from .write import is_comparison as is_comparison
from .write import write_comparison as write_comparison
from .write import write_run as write_run
