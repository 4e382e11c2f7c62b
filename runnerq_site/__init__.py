"""The RunnerQ site: settings, embedded servers, demo and benchmarks around the `queues` library."""
