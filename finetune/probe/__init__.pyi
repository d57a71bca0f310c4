from .config import ProbeConfig as ProbeConfig
from .report import write_probe as write_probe
from .run import Probe as Probe
from .run import Row as Row
from .run import open_probe as open_probe
from .run import probe_networks as probe_networks
