"""`make prove`: what docs/reliability.md promises, shown on a service in processes of its own, from the outside."""
