"""Money between two people by UPI, which never is ours.

Belongs here: transfers, their two commits, their memo postings. Does not: payments to merchants
(`payments`), our own payouts (`payouts`), what is behind a handle (`handles`).
"""
