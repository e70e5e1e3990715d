"""The simulated banks and the world that pays through them, without HTTP."""
