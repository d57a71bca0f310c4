"""A pre-training run, from its configuration to its weights."""
