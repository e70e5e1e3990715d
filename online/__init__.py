"""The payment service: the writer of record, and the only code that writes to the ledger.

Belongs here: everything that answers a merchant, changes money or keeps a promise about it.
Does not: analysis, training, reconciliation and reports, which read what this wrote
(`assets`, `models`, `warehouse`) and speak back through the internal HTTP API.
"""
