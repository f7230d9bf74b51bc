"""Who may send requests, and how much: API keys, the gate, rate limits."""
