"""The shared kernel: money, ids, time, refusals, event types.

Belongs here: values that every slice and the offline side agree on, built from the
standard library and msgspec alone. Does not: I/O, frameworks, drivers, or the rules of
any one slice.
"""
