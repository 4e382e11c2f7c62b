"""Websocket routes of the console."""

from typing import Any

from django.urls import path

from queues.dashboard.consumers import LiveConsumer

websocket_urlpatterns: list[Any] = [path("live", LiveConsumer.as_asgi())]
