"""Postings: what banks' and rails' files mean to the books, posted for offline.

Belongs here: which kinds offline may post, on which accounts. Does not: deciding what a file or a
break means (offline), merchants' money (never moved from here).
"""
