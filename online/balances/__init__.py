"""What stands in the books, for whoever may see it: balances, accounts, entries.

Belongs here: showing the ledger's reads over HTTP, and what a merchant's balance is made of. Does
not: any change of the books, or a table of its own.
"""
