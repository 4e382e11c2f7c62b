"""Real Kafka, Redis and PostgreSQL as child processes, for development, the demo and the tests."""
