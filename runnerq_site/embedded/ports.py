"""Free ports on 127.0.0.1."""

import random
import socket

# Below the range that systems hand to outgoing connections: a client that keeps knocking at the port of a
# stopped server would else, one day, be given that very port, connect to itself, and hold it for good.
_LOW, _HIGH = 20_000, 32_000


def is_free(port: int) -> bool:
    """Return whether a server could listen on ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(preferred: int = 0) -> int:
    """Return ``preferred`` if it is free, else another free port."""
    if preferred and is_free(preferred):
        return preferred
    for _ in range(1_000):
        port = random.SystemRandom().randint(_LOW, _HIGH)
        if is_free(port):
            return port
    raise OSError(f"no free port between {_LOW} and {_HIGH} on 127.0.0.1")


def answers(port: int) -> bool:
    """Return whether something accepts connections on ``port``."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
