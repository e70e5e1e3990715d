"""One module a step, named NNNN_what.py."""
