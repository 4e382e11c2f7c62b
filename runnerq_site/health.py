"""``/healthz`` of the web processes: whether this process answers, whatever host, scheme or database."""

from typing import Any

_PATH = "/healthz"


def with_health(application: Any) -> Any:
    """Return ``application`` with ``/healthz`` answered before it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != _PATH:
            await application(scope, receive, send)
            return
        body = b"ok\n"
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app
