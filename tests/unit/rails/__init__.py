"""Unit tests of `online/rails`."""
