"""Reproducible measurements: `python -m benchmarks.NAME` writes results/NAME.json and .md."""
