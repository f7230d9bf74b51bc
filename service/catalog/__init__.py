"""Which bundle answers: load, self-test, sandbox, swap, evict."""
