"""What a call to Gemini may cost in time, tokens and tries."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GeminiLimits:
    """Bounds of a single call, and of the tries that a call gets before its job has to wait.

    Times are in seconds. The SDK has no time-out of its own: a server that hangs, hangs for ever.
    """

    max_output_tokens: int = 8192
    first_chunk_seconds: float = 30
    chunk_seconds: float = 20
    total_seconds: float = 180
    attempts: int = 3
    backoff_seconds: float = 1
    """Wait before the second try; it doubles for each further one, with jitter of the same size."""
    longest_wait_seconds: float = 20
    """A server that asks for more patience than this is tried again by the job, not by the call."""
