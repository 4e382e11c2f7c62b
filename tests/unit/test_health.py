"""The health of a web process."""

from asgiref.testing import ApplicationCommunicator

from runnerq_site.health import with_health


async def behind(scope, receive, send):
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def ask(path: str, method: str = "GET") -> tuple[int, bytes]:
    scope = {"type": "http", "path": path, "method": method, "headers": [(b"host", b"any.example")]}
    communicator = ApplicationCommunicator(with_health(behind), scope)
    start = await communicator.receive_output()
    return start["status"], (await communicator.receive_output())["body"]


async def test_a_process_that_answers_is_well_whatever_host_it_is_asked_for():
    assert await ask("/healthz") == (200, b"ok\n")
    assert await ask("/healthz", "HEAD") == (200, b"")


async def test_everything_else_is_left_to_the_application():
    assert await ask("/healthz/") == (404, b"")
