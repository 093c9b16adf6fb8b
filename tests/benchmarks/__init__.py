"""Timings, run by hand: ``python -m tests.benchmarks``. Nothing here is part of the test suite."""
