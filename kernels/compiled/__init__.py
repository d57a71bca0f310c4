"""What compiled kernels share: how they are compiled and kept, arithmetic, random numbers, threads."""
