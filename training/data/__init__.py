"""Data: one loader per source, listed in `loaders`; splits; windows. Importing one brings in none of the others."""
