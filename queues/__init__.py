"""Background activities on Apache Kafka."""
