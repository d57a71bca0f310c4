"""The chaos game on the CPU: loops that Numba compiles, and the drivers that play jobs with them."""
