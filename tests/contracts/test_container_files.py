"""The image runs what `make run` runs, and is made of what the build may see."""

import json
import re
from fnmatch import fnmatch

import pytest

from bootstrap.household import API_OPTIONS, ROOT
from bootstrap.settings import Settings

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SILENT_POSTGRESQL = 11
"""Seconds that a worker needs to stop while PostgreSQL is silent (docs/nothing-is-lost.md)."""

OWN_FOLDERS = ("adapters", "api", "bootstrap", "db", "domain", "schema", "usecases", "workers")


def test_the_image_starts_the_api_as_the_supervisor_does() -> None:
    command = json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[-1])
    assert command == [
        *("uvicorn", "api.app:create_app", "--host", "0.0.0.0", "--port", "8000"),  # noqa: S104
        *API_OPTIONS,
        *("--timeout-graceful-shutdown", str(Settings.model_fields["drain_seconds"].default)),
    ]


@pytest.mark.parametrize("folder", OWN_FOLDERS)
def test_every_package_is_in_the_image(folder: str) -> None:
    assert f"\nCOPY {folder} {folder}\n" in DOCKERFILE


def test_what_is_copied_is_not_ignored() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    seen = [line.removeprefix("!") for line in lines if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    sources = [source for sources in copied for source in sources.split()]
    assert [s for s in sources if not any(fnmatch(s, pattern) for pattern in seen)] == []
    assert [s for s in sources if not (ROOT / s).exists()] == []


def test_the_image_does_not_run_as_root() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    users = {
        stage.split(maxsplit=3)[2]: re.findall(r"^USER (\d+):", stage, re.MULTILINE)
        for stage in stages
    }
    assert users == {"packages": [], "web": [], "inbox": ["1000"], "service": ["10001"]}


def test_compose_gives_a_worker_the_time_that_stopping_takes_without_postgresql() -> None:
    worker = COMPOSE[COMPOSE.index("\n  worker:\n") :]
    given = re.search(r"^    stop_grace_period: (\d+)s$", worker, re.MULTILINE)
    assert given is not None
    assert int(given[1]) >= Settings.model_fields["drain_seconds"].default + SILENT_POSTGRESQL


def test_compose_passes_on_settings_that_exist() -> None:
    block = COMPOSE[COMPOSE.index("  environment:\n") : COMPOSE.index("  volumes:\n")]
    names = re.findall(r"^    ([A-Z_]+): ", block, re.MULTILINE)
    assert names
    assert [name for name in names if name.lower() not in Settings.model_fields] == []
