"""The console's own template engine, so that its pages need nothing of the host project's TEMPLATES."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from django.http import HttpRequest
from django.template.backends.django import DjangoTemplates

import queues


@cache
def _engine() -> DjangoTemplates:
    return DjangoTemplates(
        {
            "NAME": "queues",
            "DIRS": [str(Path(queues.__file__).parent / "templates")],
            "APP_DIRS": False,
            "OPTIONS": {
                "builtins": ["django.templatetags.static", "queues.dashboard.templatetags.console"],
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.messages.context_processors.messages",
                ],
            },
        }
    )


def write(template: str, context: Mapping[str, Any], request: HttpRequest) -> str:
    """Return ``template`` (``queues/…``; ``#part`` for one of its partials) filled with ``context``.

    Raises:
        TemplateDoesNotExist: there is no such template or part.
    """
    return _engine().get_template(template).render(dict(context), request)
