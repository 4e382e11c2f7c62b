"""What can go wrong with embedded servers, in words for the person who started them."""


class EmbeddedError(Exception):
    """An embedded server cannot be had or does not start; the message says what to do."""


class AlreadyRunningError(EmbeddedError):
    """Another process runs servers in this folder; they are untouched."""
