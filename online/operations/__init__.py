"""Commands that run or check the service: a whole sandbox, the worker, the books, history.

Belongs here: what an operator types. Does not: what a request does.
"""
