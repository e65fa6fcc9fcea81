"""Beamline's admin subjects: asked over NATS, answered by the rules that REST follows."""
