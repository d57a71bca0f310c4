"""From finished runs to what a paper needs of them: figures with their uncertainty, tables, pictures, one page."""
