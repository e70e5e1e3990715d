"""Reviews: the payments that risk had doubts about, and what people make of them.

Belongs here: the queue, who works on what and until when, notes, decisions. Does not: scoring
(`risk`), or moving the payment's money (`payments`, `refunds`: a decision says what may be done).
"""
