"""How throughput and memory grow with workers, rows, lengths and models."""
