"""What lenses, sensors and codecs do to the pixels of a clip."""
