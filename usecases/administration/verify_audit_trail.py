"""Check that nobody has rewritten the audit trail."""

from dataclasses import dataclass

from domain.audit import Anchor, AuditVerdict, Inspection
from usecases.ports.reads import Reads

PAGE = 500


@dataclass(frozen=True, slots=True)
class VerifyAuditTrail:
    """Walks the chain from its first entry, a page at a time; stops where it is broken."""

    reads: Reads
    page: int = PAGE

    async def __call__(self, anchor: Anchor | None = None) -> AuditVerdict:
        """Return how far the trail is whole.

        A chain alone cannot tell that its newest entries are missing, or that all of it was made
        anew: an anchor, noted elsewhere when an earlier check ended, can.
        """
        inspection = Inspection(anchor)
        while records := await self.reads.audit_trail(inspection.sequence, self.page):
            for record in records:
                if not inspection.passes(record):
                    return inspection.verdict()
        return inspection.verdict(is_end=True)
