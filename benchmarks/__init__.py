"""Benchmarks: `python -m benchmarks` prints one table of outcomes and times, against what people would use instead."""
