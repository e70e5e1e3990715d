"""What rails tell us without being asked, of operations and of disputes.

Belongs here: who may say something (signatures), keeping it as it came, and deciding what it is
worth. Does not: what an outcome does to a payment, a refund or a payout, which the slice that
ordered the attempt records; or what a rail's code means (`online.rails`).
"""
