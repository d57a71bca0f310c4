"""The training loop, which pre-training and fine-tuning share."""
