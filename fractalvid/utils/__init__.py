"""Small tools that every room uses, a module each: errors, checks, files, locks, names, durations, arrays, tensors."""
