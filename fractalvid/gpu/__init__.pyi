from .bank import DeviceBank as DeviceBank
from .fit import DeviceFits as DeviceFits
from .fit import fit_on_device as fit_on_device
from .layers import DeviceBackgrounds as DeviceBackgrounds
from .layers import DeviceLayers as DeviceLayers
from .render import render_on_device as render_on_device
