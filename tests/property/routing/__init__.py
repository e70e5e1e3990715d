"""Properties of `online/routing`."""
