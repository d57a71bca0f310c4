"""Measurements of `finetune`."""
