"""Plans: what a file wants of one customer's extensions and trunks, done as a whole and taken back as a whole."""
