"""Background activities on Apache Kafka.

Names are loaded on first use: this package is imported before Django's apps are ready, and by settings.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queues.domain.activity import Failure, Limit, OnExhaustion, Unique
    from queues.domain.errors import (
        Conflict,
        Duplicate,
        EnqueueUnknown,
        Invalid,
        NotFound,
        PayloadTooLarge,
        QueueError,
        Unavailable,
        UnknownType,
    )
    from queues.domain.retry import Backoff, RetryPolicy
    from queues.domain.states import State
    from queues.engine.context import Context, current
    from queues.engine.control import (
        ActivityCancelled,
        ActivityFailed,
        Cancelled,
        NonRetryable,
        Retry,
        Snooze,
    )
    from queues.engine.groups import enqueue_group, enqueue_group_sync
    from queues.engine.handle import Handle
    from queues.engine.handler import Call, Handler
    from queues.engine.registry import activity, registry

_WHERE = {
    "queues.domain.activity": ("Failure", "Limit", "OnExhaustion", "Unique"),
    "queues.domain.errors": (
        "Conflict",
        "Duplicate",
        "EnqueueUnknown",
        "Invalid",
        "NotFound",
        "PayloadTooLarge",
        "QueueError",
        "Unavailable",
        "UnknownType",
    ),
    "queues.domain.retry": ("Backoff", "RetryPolicy"),
    "queues.domain.states": ("State",),
    "queues.engine.context": ("Context", "current"),
    "queues.engine.control": (
        "ActivityCancelled",
        "ActivityFailed",
        "Cancelled",
        "NonRetryable",
        "Retry",
        "Snooze",
    ),
    "queues.engine.groups": ("enqueue_group", "enqueue_group_sync"),
    "queues.engine.handle": ("Handle",),
    "queues.engine.handler": ("Call", "Handler"),
    "queues.engine.registry": ("activity", "registry"),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "ActivityCancelled",
    "ActivityFailed",
    "Backoff",
    "Call",
    "Cancelled",
    "Conflict",
    "Context",
    "Duplicate",
    "EnqueueUnknown",
    "Failure",
    "Handle",
    "Handler",
    "Invalid",
    "Limit",
    "NonRetryable",
    "NotFound",
    "OnExhaustion",
    "PayloadTooLarge",
    "QueueError",
    "Retry",
    "RetryPolicy",
    "Snooze",
    "State",
    "Unavailable",
    "Unique",
    "UnknownType",
    "activity",
    "current",
    "enqueue_group",
    "enqueue_group_sync",
    "registry",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'queues' has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value
