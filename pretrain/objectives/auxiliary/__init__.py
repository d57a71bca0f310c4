"""What the generator knows besides the class, learned along with any objective: masks and curves."""
