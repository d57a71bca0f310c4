"""Pieces of the pages that a person looks at: contact sheets, galleries, charts."""
