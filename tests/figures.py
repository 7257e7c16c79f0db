"""The figures that the security page promises: each test that holds one prints it.

The suite runs such a test on a small scale; `make figures` runs it on the whole one and prints the
table.
"""

from dataclasses import dataclass

import pytest

KEY = "figure"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a test needs to hold a figure: its scale, and where to write what it saw."""

    request: pytest.FixtureRequest

    @property
    def full(self) -> bool:
        """Whether the whole scale was asked for."""
        return bool(self.request.config.getoption("--full"))

    def scale(self, quick: int, full: int) -> int:
        """Return how often to do it: `full` is what the security page says."""
        return full if self.full else quick

    def show(self, what: str, figure: str) -> None:
        """Write a line of the table, once what it says was asserted."""
        self.request.node.user_properties.append((KEY, (what, figure)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="Hold the figures on their whole scale")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "figures: holds a figure of the security page")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark who holds a figure; on the whole scale they may take their time."""
    for item in items:
        if "figures" in getattr(item, "fixturenames", ()):
            item.add_marker("figures")
            if config.getoption("--full"):
                item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Return what a test needs to hold a figure."""
    return Figures(request)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    reports = terminalreporter.stats.get("passed", [])
    lines = [value for report in reports for key, value in report.user_properties if key == KEY]
    if not lines:
        return
    terminalreporter.section("figures")
    width = max(len(what) for what, _ in lines)
    for what, figure in sorted(map(tuple, lines)):
        terminalreporter.write_line(f"{what:<{width}}  {figure}")
