"""From decoded videos to training and test clips: windows, augmentation, views."""
