"""Measurements: ``manage.py bench``. Scenarios orchestrate, loads are programs of their own, peers stand beside."""
