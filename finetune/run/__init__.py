"""One transfer: training, testing, and what is written."""
