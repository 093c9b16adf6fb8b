"""Timings, run by hand: ``python -m tests.benchmarks``. Nothing here is timed inside the test suite."""
