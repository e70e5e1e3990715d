"""Customers: the people a merchant takes money from, as far as the merchant tells us.

Belongs here: their personal fields, which can be erased. Does not: anything the books need.
"""
