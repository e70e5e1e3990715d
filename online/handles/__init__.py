"""Payment handles: an opaque alias that stands for a payer's VPA, within bounds they agreed to.

Belongs here: what an alias is good for (merchant, purpose, amount, uses, time), and its end. Does
not: the VPA itself (`vault` keeps it, sealed), or what is paid by it (`payments`).
"""
