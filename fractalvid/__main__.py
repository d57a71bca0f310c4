"""`python -m fractalvid`."""

from fractalvid.cli.main import main

main()
