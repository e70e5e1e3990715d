"""Following a payment's money: from what was asked for to the bank's and the statement's line.

Belongs here: putting together what the other slices and the books know of one payment, and the
links to places outside our books that the pipeline found. Does not: any rule of those slices.
"""
