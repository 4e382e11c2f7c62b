"""The site as a process of its own, with a keeper beside it, on names of its own."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runnerq_site.embedded.ports import free_port
from tests.waiting import until

ROOT = Path(__file__).parent.parent.parent
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective} ${e.blockedURI}`));
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const e of list.getEntries()) if (!e.hadRecentInput) shifts += e.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@contextlib.contextmanager
def process(ready: str, *arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command of ours until the end of the block; begin when it has said ``ready``."""
    own = subprocess.Popen(
        [sys.executable, ROOT / "manage.py", *arguments],
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    try:
        assert own.stdout
        for line in own.stdout:
            said.append(line)
            if ready in line:
                break
        else:
            raise AssertionError("".join(said))
        yield own
    finally:
        own.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            own.communicate(timeout=20)
        if own.poll() is None:
            own.kill()
            own.communicate()


@dataclass
class Site:
    """Where it is; ``env`` is what it was started with."""

    url: str
    env: dict[str, str]


@contextlib.contextmanager
def site(env: dict[str, str]) -> Iterator[Site]:
    """Serve the site."""
    port = free_port()
    with process("http://", "serve", "--port", str(port), env=env):
        yield Site(f"http://127.0.0.1:{port}", env)


def empty_index() -> None:
    """Remove every row of both schemas; Django's flush knows the default one only."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('idx', 'config')"
        )
        cursor.execute("TRUNCATE " + ", ".join(row[0] for row in cursor.fetchall()))


class Tab:
    """A page of a browser that remembers what went wrong in it."""

    def __init__(self, page: Any, site: Site) -> None:
        self.page = page
        self.site = site
        self.troubles: list[str] = []
        page.add_init_script(VIOLATIONS)
        page.on("console", lambda m: self.troubles.append(m.text) if m.type in {"error", "warning"} else None)
        self.frames = 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._framed))
        page.on("pageerror", lambda e: self.troubles.append(str(e)))

    def _framed(self, _frame: Any) -> None:
        self.frames += 1

    def hear(self, more: int) -> None:
        """Return once the socket has brought so many more frames."""
        wanted = self.frames + more
        self.until(lambda: self.frames >= wanted, f"{more} more frames come")

    def open(self, address: str) -> Any:
        """Go there and wait until the page's script runs."""
        self.page.goto(self.site.url + address)
        try:
            self.page.wait_for_selector("html[data-ready]", state="attached")
        except Exception as error:
            raise AssertionError(f"{address} does not get ready: {self.troubles}") from error
        return self.page

    def sign_in(self) -> None:
        """Sign in as the operator."""
        self.page.goto(self.site.url + "/login")
        self.page.fill("#username", "anna")
        self.page.fill("#password", "anna-pass-1")
        self.page.click("button.primary")
        self.page.wait_for_url(self.site.url + "/")

    def sound(self) -> None:
        """Pass when nothing was refused by the policy and nothing failed."""
        violations = self.page.evaluate("violations")
        assert violations == [], violations
        assert self.troubles == [], self.troubles

    def until(self, condition: Any, what: str, seconds: float = 15) -> Any:
        """Return the first true answer; the page's events go on meanwhile."""

        def look() -> Any:
            self.page.wait_for_timeout(50)
            return condition()

        return until(look, seconds, what)
