"""Tests, by what they need: the folder says how much of the system a test starts."""
