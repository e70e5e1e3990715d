"""Three-way reconciliation: ledger ↔ rail file ↔ bank statement.

Belongs here: the passes as data (`rules.py`, `reconciliation.yaml`), the engine that runs them over
plain relations (`engine.py`), what a day's run stores (`days.py`) and the same engine over plain
files (`files.py`). Does not: postings (`postings.py`) or a break's workflow (online's).
"""
