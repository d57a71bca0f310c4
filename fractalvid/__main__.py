"""`python -m fractalvid`."""

from fractalvid.cli import main

main()
