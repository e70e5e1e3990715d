"""Unit tests of `online/vault`."""
