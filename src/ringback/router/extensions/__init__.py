"""Router extensions: outside processors of a request, each reached on one NATS subject."""
