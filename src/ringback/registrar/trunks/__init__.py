"""Trunks: connections to carriers and PBXes, let in by digest, by source address, or both."""
