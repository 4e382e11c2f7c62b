"""Workers: who serves which queues, how busy, since when, last heard of when."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from queues.dashboard import snapshot
from queues.dashboard.respond import respond


@require_safe
def workers(request: HttpRequest) -> HttpResponse:
    """List the workers."""
    now = snapshot.read()
    rows = [w for w in now["worker_rows"] if w["state"] != "stopped"]
    versions = {w["version"] for w in rows if w["shown"] == "running"}
    unserved = [q["name"] for q in now["queues"].values() if not q["workers"] and sum(q["states"].values())]
    context = {
        "rows": sorted(rows, key=lambda w: (w["shown"] != "running", w["host"], w["pid"])),
        "busy": sum(w["busy"] for w in rows if w["shown"] == "running"),
        "slots": now["slots"],
        "versions": sorted(versions) if len(versions) > 1 else [],
        "unserved": unserved,
    }
    return respond(request, "workers", context)
