"""What all kinds of classes share: banks, seeds, colour, crops and flips, curves."""
