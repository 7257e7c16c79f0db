"""Load under random faults for a set time, and then the question whether anything was lost.

`make soak` starts an installation of its own, lets people ask for stories and watch them, and
kills, pauses, cuts off and restarts what they depend on. When the time is over everything works
again, and each promise of docs/nothing-is-lost.md is checked against PostgreSQL, the mails, the
clients and the logs.
"""
