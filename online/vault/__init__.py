"""Vault: card numbers in, tokens out, nothing else.

Belongs here: everything that ever holds a card number, and the keyed hashes of instruments.
Does not: what a token is charged for. Nobody but a rail's adapter may reveal a card.
"""
