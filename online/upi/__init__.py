"""UPI itself: its links and QR codes, how they are signed, what its codes mean, where collect goes.

Belongs here: what NPCI's papers say, as pure rules and dated data. Does not: a payment by UPI
(`payments`), one between two people (`transfers`), what a switch is asked (`rails`).
"""
