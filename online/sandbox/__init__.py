"""The banks' side of the world: a UPI switch, card acquirers and a bank, as their own process.

Belongs here: what a bank does (decide, remember, settle, write its files), the faults that are
put into its files on purpose, and the small seeded world of merchants and customers that uses it.
Does not: anything of the gateway. The two speak HTTP and files, and share `online.kernel` alone.

Start it: `python -m online.sandbox serve --port 8090 --data var/sandbox --seed 7`.
"""
