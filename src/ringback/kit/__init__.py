"""The floor: what would be the same in a shop or a hospital."""
