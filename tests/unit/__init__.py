"""Pure code, no I/O, no clock: milliseconds each. What opens a socket or a file goes elsewhere."""
