"""A whole third task, in tests alone: how many vowels has this text?"""
