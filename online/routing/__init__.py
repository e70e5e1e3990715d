"""Routing: which rail a payment takes, and why.

Belongs here: the choice, what is measured to make it, when a route rests.
Does not: sending anything (`rails`), trying another route after a failure (`payments`).
"""
