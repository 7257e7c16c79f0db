"""The settings as people read them: `.env.example` and the README's table, made from the code.

`python -m bootstrap.settings_reference` writes both; a test says when they are out of date.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import get_args

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from bootstrap.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / ".env.example"
README = ROOT / "README.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->\n"
"""Between these two lines the README holds the table."""

SECTIONS = {
    "environment": "The service",
    "database_url": "PostgreSQL and Redis",
    "token_signing_key": "Accounts",
    "storyteller": "Stories",
    "smtp_host": "Mail",
    "sms_webhook_url": "Text messages",
    "allowed_origins": "The edge",
    "worker_queues": "Workers",
}
"""The first setting of each section, and the section's name."""

FORCED = {
    "database_url": "always, but `make run` starts one",
    "redis_url": "always, but `make run` starts one",
    "smtp_host": "always, but `make run` starts a mail catcher",
    "token_signing_key": "in production; development draws one",
    "code_pepper": "in production; development draws one",
    "factor_key": "in production; development draws one",
    "gemini_api_key": "with `STORYTELLER=gemini`",
    "sms_webhook_secret": "with `SMS_WEBHOOK_URL`",
}
"""Settings without a default that works, and when they have to be set."""

EXAMPLE_HEAD = """\
# Storyloom's settings, each with its default. Copy this file to .env and uncomment what you
# change; variables of the environment win over it. For `make run` nothing has to be set.
# Written by `make reference` from bootstrap/settings.py.
"""


def environment_example() -> str:
    """Return the text of `.env.example`."""
    parts = [EXAMPLE_HEAD]
    for name, about in Settings.model_fields.items():
        if name in SECTIONS:
            parts.append(f"\n# --- {SECTIONS[name]} ---\n")
        must = f" Needed {FORCED[name]}." if name in FORCED else ""
        allowed = f" ({_allowed(about)})" if _allowed(about) else ""
        parts.append(
            f"\n# {about.description}{allowed}.{must}\n#{name.upper()}={_default(about)}\n"
        )
    return "".join(parts)


def settings_table() -> str:
    """Return the README's table."""
    columns = ("variable", "what it is", "default", "allowed", "needed")
    parts = ["\n", f"| {' | '.join(columns)} |\n", "|" + " --- |" * len(columns) + "\n"]
    for name, about in Settings.model_fields.items():
        if name in SECTIONS:
            parts.append(f"| **{SECTIONS[name]}** | | | | |\n")
        default = f"`{_default(about)}`" if _default(about) else ""
        parts.append(
            f"| `{name.upper()}` | {about.description} | {default} | {_allowed(about)} "
            f"| {FORCED.get(name, '')} |\n"
        )
    return "".join([*parts, "\n"])


def readme_with(table: str) -> str:
    """Return the README's text with the table in its place."""
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table}{END}{after}"


def _default(about: FieldInfo) -> str:
    value = about.default
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    if isinstance(value, Mapping):
        return ",".join(f"{name}={count}" for name, count in value.items())
    return f'"{value}"' if " " in str(value) else str(value)


def _allowed(about: FieldInfo) -> str:
    annotation = about.annotation
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{option}`" for option in annotation)
    options = [option for option in get_args(annotation) if isinstance(option, str)]
    if options:
        return ", ".join(f"`{option}`" for option in options)
    bounds = {type(bound): bound for bound in about.metadata}
    match bounds:
        case {annotated_types.Ge: least, annotated_types.Le: most}:
            return f"{least.ge} to {most.le}"
        case {annotated_types.Ge: least}:
            return f"{least.ge} or more"
        case {annotated_types.Gt: below}:
            return f"more than {below.gt}"
    return ""


def main() -> None:
    """Write both files."""
    EXAMPLE.write_text(environment_example())
    README.write_text(readme_with(settings_table()))


if __name__ == "__main__":
    main()
