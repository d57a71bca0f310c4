"""`python -m fractalvid.finetune`."""

import sys

from fractalvid.finetune.cli import main

sys.exit(main())
