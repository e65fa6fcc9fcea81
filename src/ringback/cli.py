"""The commands `ringback …` and `registrar-control …`."""
