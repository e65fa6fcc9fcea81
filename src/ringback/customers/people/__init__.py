"""People: who signs in with an e-mail address and a password, for whom, and what they may do."""
