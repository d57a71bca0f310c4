"""Weights to start from, and fine-tuned weights in use again."""
