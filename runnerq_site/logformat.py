"""How a log record is written: one line an event, as text for people or JSON for collectors."""

import json
import logging
import time
from typing import Any

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "request",
    "server_time",
}


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _PLAIN}


def _instant(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


class TextFormatter(logging.Formatter):
    """One line ``time level logger message key=value …``; only a traceback adds more."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = f"{_instant(record)} {record.levelname.lower():7} {record.name} {record.getMessage()}"
        line += "".join(f" {key}={value}" for key, value in _extras(record).items())
        line = line.replace("\n", "\\n")
        return line + "\n" + self.formatException(record.exc_info) if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``at level logger message``, the extras, ``error`` with the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        event: dict[str, Any] = {
            "at": _instant(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        event |= _extras(record)
        if record.exc_info:
            event["error"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str, ensure_ascii=False)
