"""Payment intents: what a merchant wants to be paid, whoever and however many attempts it takes.

Belongs here: the intent's states and its client secret. Does not: moving money (`payments`); an
intent follows its payment.
"""
