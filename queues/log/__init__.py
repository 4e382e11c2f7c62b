"""The log in Kafka: the only place that knows confluent_kafka."""
