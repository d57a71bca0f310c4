"""What small networks do on a CPU in fewer passes over memory than PyTorch's own layers take, with the same results."""
