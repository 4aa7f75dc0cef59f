"""What a client assumes if it is not told otherwise."""

URL = "http://127.0.0.1:3000"
"""Where ``make serve`` listens."""

TIMEOUT_S = 150.0
"""The service's own longest deadline is 120 s by default; less would give up on answers still to come."""

CONNECT_TIMEOUT_S = 5.0
CONNECTIONS = 32
