"""Security: who is calling, what they may do, and how often.

Belongs here: credentials, tokens, request signatures, scopes, rate limits, sealed secrets.
Does not: card data (`vault`), spending limits of a payer (`limits`).
"""
