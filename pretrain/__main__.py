"""`python -m fractalvid.pretrain`."""

import sys

from fractalvid.pretrain.cli import main

sys.exit(main())
