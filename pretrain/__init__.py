"""Networks, the training loop (fine-tuning's too), weights, recipes and the command `pretrain`."""
