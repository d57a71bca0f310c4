"""What people read: progress bars, the log, notes, guesses at mistyped names, parts of sentences."""
