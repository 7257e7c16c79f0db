"""Tasks for the fault tests: each says what it wants to be done with it."""

from datetime import timedelta
from typing import ClassVar

from domain.jobs import Queue, RetryPolicy, Task, Terms

CALLS_AT_ONCE = 3
"""What the provider of these tests allows."""


class Errand(Task):
    """Take so many seconds."""

    terms: ClassVar[Terms] = Terms(
        kind="errand",
        queue=Queue.MAIL,
        retry=RetryPolicy(attempts=5, first=timedelta(milliseconds=100)),
        timeout=timedelta(minutes=2),
        unique_by=("name",),
    )
    name: str
    seconds: float = 0


class NewErrand(Errand):
    """The same, as newer code declares it."""

    terms: ClassVar[Terms] = Errand.terms.model_copy(update={"version": 2})


class Novelty(Errand):
    """What only newer code knows."""

    terms: ClassVar[Terms] = Errand.terms.model_copy(update={"kind": "novelty"})


class Doomed(Errand):
    """Fail, three times."""

    terms: ClassVar[Terms] = Errand.terms.model_copy(
        update={
            "kind": "doomed",
            "retry": RetryPolicy(attempts=3, first=timedelta(milliseconds=20)),
        }
    )


class Hurried(Errand):
    """Fail as often as half a second allows."""

    terms: ClassVar[Terms] = Errand.terms.model_copy(
        update={
            "kind": "hurried",
            "retry": RetryPolicy(
                attempts=50, first=timedelta(milliseconds=400), budget=timedelta(seconds=0.5)
            ),
        }
    )


class Call(Errand):
    """Call the provider that the test runs."""

    terms: ClassVar[Terms] = Errand.terms.model_copy(update={"kind": "call"})
    port: int


class Deed(Errand):
    """Take so many seconds, then leave a mark in the job's own row, if there is none."""

    terms: ClassVar[Terms] = Errand.terms.model_copy(update={"kind": "deed"})


class Stroke(Errand):
    """Take so many seconds, then add one to the strokes in the job's own row."""

    terms: ClassVar[Terms] = Errand.terms.model_copy(update={"kind": "stroke"})


class Tick(Task):
    """Say that the clock struck."""

    terms: ClassVar[Terms] = Terms(
        kind="tick",
        queue=Queue.MAINTENANCE,
        retry=RetryPolicy(attempts=5),
        timeout=timedelta(minutes=1),
        unique_by=(),
    )
