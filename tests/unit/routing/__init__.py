"""Unit tests of `online/routing`."""
