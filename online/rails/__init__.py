"""Rails: how money reaches a bank, a switch or an acquirer.

Belongs here: the Protocol every rail fulfils, the adapters, what a rail's codes mean.
Does not: which rail to use (`routing`), what an outcome does to a payment (`payments`).
"""
