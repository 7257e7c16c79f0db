"""Fakes of the ports, as strict as the real adapters; `tests/contracts` holds both to one suite."""
