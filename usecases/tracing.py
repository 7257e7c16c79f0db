"""What ties together the log lines of a request, its jobs and its mails."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request that is being served, or that caused the job that runs; new jobs inherit it."""
