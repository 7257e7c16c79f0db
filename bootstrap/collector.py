"""How Python's garbage collector is set in a process that lives long and must answer at once."""

import gc

YOUNG = 100_000
"""Objects by which a process grows before the youngest are looked at; Python's default is 700."""

MIDDLE, OLD = 20, 50
"""How many looks at one generation make one at the next."""


def look_seldom() -> None:
    """Have the collector look at what lives long far less often; call it once all is loaded.

    A look at everything stops the process: with 10,000 sockets for some three seconds, and by
    default every few seconds while they come; in a worker for a tenth of a second, now and then
    between a job's promise and its start. Nearly all garbage here is freed by its count of
    references at once; what is in cycles waits longer, some ten megabytes of it. What was loaded by
    now stays until the end, and is looked at no more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
