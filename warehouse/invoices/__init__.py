"""Tax invoices and credit notes: what merchants were charged in a month, and its documents.

Belongs here: the sums that online numbers, and how a document looks. Does not: numbers and what a
document says (online's), or what was charged (the ledger).
"""
