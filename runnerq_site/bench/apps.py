"""Measurements as an app: installed by ``runnerq_site.bench.settings`` alone, so that no other worker has it."""

from django.apps import AppConfig


class BenchConfig(AppConfig):
    """Bring the activities that are measured."""

    name = "runnerq_site.bench"
    label = "runnerq_bench"
