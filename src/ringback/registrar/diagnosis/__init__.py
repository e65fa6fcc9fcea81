"""Diagnosis: why a phone does not work, in one sentence, and what to do about it."""
