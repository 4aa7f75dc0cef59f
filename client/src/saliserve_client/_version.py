"""The client's version, read by the build and sent as the user agent, and that of the HTTP contract."""

__version__ = "0.1.0"

CONTRACT = "1"
"""Major version of the HTTP contract that this client speaks; the routes begin with it."""
