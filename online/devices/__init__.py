"""Devices: installations of a merchant's app, bound to a customer by a key that they hold.

Belongs here: linking, proof of possession, cooling, suspension, and how far a device is trusted.
Does not: what a payment's risk is made of (`risk` asks here and adds it up).
"""
