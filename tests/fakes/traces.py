"""Traces of accounts, in memory."""

from collections.abc import Sequence
from uuid import UUID

from domain.refusals import UpstreamUnavailable


class FakeTraces:
    """Implements `Traces`: remembers whose were erased. While it `is_down` it erases nothing."""

    def __init__(self) -> None:
        self.is_down = False
        self.erased: list[tuple[UUID, list[str]]] = []

    async def erase(self, account_id: UUID, contacts: Sequence[str]) -> int:
        if self.is_down:
            raise UpstreamUnavailable
        self.erased.append((account_id, list(contacts)))
        return 0
