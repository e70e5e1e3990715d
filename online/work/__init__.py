"""Work: what somebody asked online for and offline does (settlements, statements).

Belongs here: the queue of requests, claimed and reported through the internal API. Does not: what
a request means (the slices that ask for it), or doing it (the pipeline).
"""
