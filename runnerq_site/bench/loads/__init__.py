"""Programs that a scenario runs as processes: each prints one JSON line for each run."""
