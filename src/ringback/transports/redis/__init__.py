"""Redis or Valkey: what the instances share besides the database, and what another service keeps there of ours."""
