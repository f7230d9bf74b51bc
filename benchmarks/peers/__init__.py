"""Other servers that hold the same bundle and do the same work, each in an environment of its own."""
