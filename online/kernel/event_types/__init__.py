"""One module a kind of aggregate; `online.kernel.events` is the name to import them by."""
