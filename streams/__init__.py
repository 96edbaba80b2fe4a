"""The Kafka edge: emitter, decoding, the join worker, the Faust app, adapters."""
