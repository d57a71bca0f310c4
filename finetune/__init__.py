"""Carrying pre-trained weights over to real video: targets, fine-tuning, testing and comparison."""
