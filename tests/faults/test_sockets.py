"""One API process carries its sockets, and lets go of clients that never read."""

from pathlib import Path

from bench.sockets import Scale, Servers, measure, report
from tests.figures import Figures


async def test_many_sockets_are_served_and_those_that_never_read_are_hung_up_on(
    postgres_url: str, redis_url: str, tmp_path: Path, figures: Figures
) -> None:
    scale = Scale(
        sockets=figures.scale(200, 10_000),
        silent=figures.scale(5, 100),
        stories=figures.scale(10, 100),
        accounts=5,
        events=10,
        seconds=figures.scale(10, 30),
    )
    seen = await measure(scale, Servers(postgres_url, redis_url, tmp_path))
    said = report(scale, seen)
    assert (seen.connected, seen.failures.total(), seen.lost) == (scale.sockets, 0, 0), said
    assert seen.api.peak <= 1024, said
    assert len(seen.hung_up_after) == scale.silent, said
    assert max(seen.hung_up_after) <= 15, said
    assert seen.latency(0.99) <= 1, said
    figures.show(
        f"{scale.sockets} sockets, {scale.silent} that never read",
        f"0 failed, {seen.api.peak} MiB, the silent closed after "
        f"{max(seen.hung_up_after):.1f} s, p99 of the rest {seen.latency(0.99) * 1000:.0f} ms",
    )
