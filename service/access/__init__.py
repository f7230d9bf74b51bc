"""API keys, the gate that asks for them, rate limits and quotas."""
