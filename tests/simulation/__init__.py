"""Many moves with faults between them, against a model that is obviously right."""
