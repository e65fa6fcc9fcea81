"""Realms and states of customers: under which domain their phones live, and whether they may."""
