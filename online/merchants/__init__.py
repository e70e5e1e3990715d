"""Merchants: who takes money through Khata, and on which terms.

Belongs here: the merchant and the keys it is given when it joins.
Does not: its balance (`ledger`), how its keys are checked (`security`).
"""
