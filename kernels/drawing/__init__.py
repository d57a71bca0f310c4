"""What is drawn without a chaos game: gradient noise, textures, discs and polygons."""
