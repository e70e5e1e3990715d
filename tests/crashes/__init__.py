"""Helpers of the crash test: clients, a killer, and what is compared afterwards.

Belongs here: making trouble for a running `dev` and telling what became of it. Does not: judging,
which the test does (`tests/e2e/test_crashes.py`).
"""
