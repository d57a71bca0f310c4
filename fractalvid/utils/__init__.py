"""Small tools that every room uses, a module each: errors, checks, files, documents, durations, arrays, tensors."""
