"""Unit tests of `online/security`."""
