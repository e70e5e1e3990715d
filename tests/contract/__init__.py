"""The four contracts between online and offline: event schema, views, internal API, bundle."""
