"""Apache Kafka's own broker: its jars, its configuration, one node of it."""
