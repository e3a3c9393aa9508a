"""The engine: rows (`op`), nodes and the reverse sweep (`graph`), `tensor`, `transforms`."""
