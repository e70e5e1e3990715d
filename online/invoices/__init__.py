"""Invoices: GST tax invoices and credit notes for what merchants were charged in a month.

Belongs here: what such a document says, its number, and its files. Does not: how it looks (the
pipeline renders it), or what is charged (`payments`, `disputes`).
"""
