"""Small tools that every room uses: errors, checks, files and locks, near names."""
