"""What `python -m models` can do, a module a task: `add` describes its commands, each runs itself.

Belongs here: arguments, opening the lake, printing. Does not: the work (`models.fraud`).
"""
