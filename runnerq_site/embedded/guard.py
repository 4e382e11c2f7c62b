"""A process that outlives its parent just long enough to stop the parent's servers; standard library only.

Lines on standard input: ``+ PID SIGNAL`` and ``- PID``. Once the parent is gone, however it went, each server
still listed gets its signal, ten seconds, then SIGKILL; then the paths given as arguments are removed.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import time

_LOOK_S = 0.5
_GRACE_S = 10.0


def listen(parent: int) -> dict[int, int]:
    """Return the servers (pid → signal) listed when the parent closed the pipe or ended."""
    servers: dict[int, int] = {}
    pending = b""
    while True:
        ready, _, _ = select.select([0], [], [], _LOOK_S)
        if ready:
            chunk = os.read(0, 65_536)
            if not chunk:
                return servers
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                sign, pid, *rest = line.split()
                if sign == b"+":
                    servers[int(pid)] = int(rest[0])
                else:
                    servers.pop(int(pid), None)
        # A process that the parent forked may hold the pipe open after its death.
        elif os.getppid() != parent:
            return servers


def stop(servers: dict[int, int]) -> None:
    """Stop every server and wait for the end of each."""
    for pid, stop_signal in servers.items():
        with contextlib.suppress(ProcessLookupError):
            # A paused server (SIGSTOP) would not hear the other signal.
            os.kill(pid, stop_signal)
            os.kill(pid, signal.SIGCONT)
    deadline = time.monotonic() + _GRACE_S
    while servers and time.monotonic() < deadline:
        servers = {pid: s for pid, s in servers.items() if _is_alive(pid)}
        time.sleep(0.05)
    for pid in servers:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main(parent: int, paths: list[str]) -> None:
    """Wait for the parent's end, then clean up behind it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    print("ready", flush=True)
    stop(listen(parent))
    for path in paths:
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
