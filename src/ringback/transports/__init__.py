"""The doors between processes: the only importers of brokers' clients, and the same manners without a broker."""
