"""Text classification, offline."""
