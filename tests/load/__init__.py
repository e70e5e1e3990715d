"""Benchmarks and load, each figure beside a baseline taken in the same run."""
