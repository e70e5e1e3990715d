"""Models learned from payments, one package a subject.

Belongs here: features, training, gates and promotion. Does not: serving, which is
`online.risk` reading a promoted bundle, and nothing heavy at import time.
"""
