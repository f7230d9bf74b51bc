"""Speed of the service beside others that do the same work, in interleaved rounds under one load generator."""
