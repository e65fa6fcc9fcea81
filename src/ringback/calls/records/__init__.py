"""Records of calls: who called whom, when, for how long, and how it ended."""
