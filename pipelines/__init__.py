"""Dagster wiring and the commands that run the whole: definitions, resources, jobs, schedules.

Belongs here: what connects assets to a machine. Does not: work; an asset or a job that
computes something calls the package that knows how.
"""
