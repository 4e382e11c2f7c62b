"""Handlers: how they are declared, enqueued, found and run."""
