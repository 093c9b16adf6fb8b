"""Checkpoints: reading ours and others, writing ours, nothing pickled."""
