"""The name under which a story's job is promised and cancelled."""

from uuid import UUID


def job_key(story_id: UUID) -> str:
    """Return the dedupe key of the job that writes a story."""
    return f"story:{story_id}"
