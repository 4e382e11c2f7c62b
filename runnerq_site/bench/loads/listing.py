"""Ask for every kind of list page in this process, as a signed-in browser does, and time the server's part."""

import itertools
import time
from urllib.parse import urlencode

from runnerq_site.bench.loads import program

program.set_up()

from django.contrib.auth import get_user_model  # noqa: E402 -- needs Django's settings
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from queues.dashboard import words  # noqa: E402

FILTERS = {
    "": {},
    "queue": {"queue": "mail"},
    "type": {"type": "report.build"},
    "queue and type": {"queue": "mail", "type": "report.build"},
    "last hour": {"since": "1h"},
    "last 24 hours": {"since": "24h"},
    "rare text": {"q": "file_77"},
    "frequent text": {"q": "invoice"},
    "absent text": {"q": "nowhere-at-all"},
    "text in a queue": {"q": "cannot handle", "queue": "mail", "since": "24h"},
}


def measure(times: int, runs: int) -> None:
    """Print for each run the p95 of every page, in ms."""
    user, _ = get_user_model().objects.get_or_create(username="bench", is_staff=True, is_superuser=True)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    lists = reverse("activities")
    pages = {
        f"{tab} {name}".strip(): f"{lists}?{urlencode(given | {'state': tab})}"
        for (tab, _), (name, given) in itertools.product(words.TABS, FILTERS.items())
    }
    pages["dead letters"] = reverse("dead")
    for _ in range(runs):
        program.answer(p95_ms={name: _p95(client, url, times) for name, url in pages.items()})


def _p95(client: Client, url: str, times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        response = client.get(url)
        taken.append((time.perf_counter() - began) * 1000)
        if response.status_code != 200:
            raise RuntimeError(f"{url} answered {response.status_code}")
        if b"That took longer than" in response.content:
            raise RuntimeError(f"{url} was given up by the database's time limit")
    return sorted(taken)[min(int(times * 0.95), times - 1)]


if __name__ == "__main__":
    measure(**program.arguments())
