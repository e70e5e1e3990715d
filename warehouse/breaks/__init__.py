"""What becomes of a break: its cause and owner, its money, its age, and what stood open when.

Belongs here: hypotheses and owners by rule (`hypothesis.py`), the turn-around clock (`tat.py`), the
work list of a day as it is or was known (`standing.py`). Does not: finding breaks
(`reconciliation`), postings (`postings.py`), or a break's workflow (online's).
"""
