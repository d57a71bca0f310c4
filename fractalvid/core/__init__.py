"""What all kinds of classes share, a module each: banks, seeds, colour, crops and flips, curves, constants."""
