"""Unit tests of `online.platform`."""
