"""The double-entry ledger: accounts, posting recipes, and the writer, the one door for money.

Belongs here: what an account is, what each business event posts, how a change is committed, and
the check that re-derives it all. Does not belong here: why a payment moves (`payments`), HTTP.
"""
