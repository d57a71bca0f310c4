"""What a run leaves behind, and which results may be compared."""
