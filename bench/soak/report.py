"""What the soak says at its end."""

from collections import Counter
from collections.abc import Iterable, Sequence

import asyncpg

from bench.soak.invariants import Finding
from bench.soak.tally import Tally, percentile

LONGEST_LIST = 8


async def summary(tally: Tally, rows: asyncpg.Connection, *, mails: int) -> str:
    """Tell how much happened."""
    stories = await rows.fetch("SELECT status, count(*) FROM stories GROUP BY 1 ORDER BY 2 DESC")
    jobs = await rows.fetch("SELECT state, count(*) FROM jobs GROUP BY 1 ORDER BY 2 DESC")
    stall, faults = tally.longest_stall()
    waits = tally.first_events()
    lines = {
        "stories": _counts(dict(map(tuple, stories))),
        "jobs": _counts(dict(map(tuple, jobs))),
        "mails that arrived": str(mails),
        "request to first event": (
            f"p50 {percentile(waits, 0.5) * 1000:.0f} ms, p99 {percentile(waits, 0.99):.1f} s"
        ),
        "longest from a fault to the next text": f"{stall:.1f} s ({', '.join(faults)})",
        "from the last fault to the end of everything": f"{tally.ended_at - tally.calm_at:.0f} s",
        "seen": _counts(tally.counts),
        "faults": _counts(Counter(blow.kind for blow in tally.blows)),
    }
    return "\n".join(f"| {what} | {figures} |" for what, figures in lines.items())


def verdicts(findings: Sequence[Finding]) -> str:
    """Tell of each promise whether it was kept."""
    lines = list[str]()
    for finding in findings:
        word = "BROKEN" if finding.breaches else "kept"
        lines.append(f"{word:>6}  {finding.cases:7}  {finding.promise}")
        lines += [f"{'':17}{breach}" for breach in _first(finding.breaches)]
    return "\n".join(lines)


def _counts(counts: "Counter[str] | dict[str, int]") -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{number} {what}" for what, number in ordered) or "none"


def _first(breaches: Iterable[str]) -> list[str]:
    every = list(breaches)
    more = [f"... and {len(every) - LONGEST_LIST} more"] if len(every) > LONGEST_LIST else []
    return every[:LONGEST_LIST] + more
