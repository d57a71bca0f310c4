"""Sets of clips on disk: made, resumed, read, verified and repaired."""
