"""The settings at start: read from the environment or `.env`, and refused in one line."""

import os
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from bootstrap.secrets import KEY_BYTES, development_secrets, listed
from bootstrap.settings import Settings


class SettingsInvalid(SystemExit):
    """A setting is missing or wrong; the message says in one line which, why and what to do."""


SECRETS_FOLDER = Path("/run/secrets")
"""Where container engines mount secrets: a file there, named like a variable, sets it."""

FEWEST_DISTINCT_BYTES = 12
"""Of 32 random bytes, fewer differ less than once in 10**12 draws; typed ones often do."""


def load_settings() -> Settings:
    """Read and check the settings of a process that serves or works.

    In development, missing secrets are drawn and kept. Raises SettingsInvalid, which ends the
    process with its one line.
    """
    settings = read_settings()
    if not settings.is_production:
        missing = {
            name.lower(): SecretStr(value)
            for name, value in development_secrets(settings.storyloom_home).items()
            if not getattr(settings, name.lower()).get_secret_value()
        }
        settings = settings.model_copy(update=missing)
    faults = list(_faults(settings))
    if faults:
        raise SettingsInvalid(_one_line(faults))
    return settings


def read_settings() -> Settings:
    """Read the settings as far as they are there. Raises SettingsInvalid for a wrong one."""
    folder = Path(os.environ.get("SECRETS_DIR", SECRETS_FOLDER))
    sources: dict[str, Any] = {"_secrets_dir": folder} if folder.is_dir() else {}
    try:
        return Settings(**sources)
    except ValidationError as error:
        by_field = {detail["loc"][0]: _fault(detail) for detail in reversed(error.errors())}
        raise SettingsInvalid(_one_line([*reversed(by_field.values())])) from None
    except (SettingsError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"The settings cannot be read: {error}. Look at .env.") from None


def _one_line(faults: list[str]) -> str:
    more = f" ({len(faults) - 1} more after this one)" if len(faults) > 1 else ""
    return f"storyloom: {faults[0]}{more}".replace("\n", " ")


def _fault(detail: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails, whose loc is untyped
    field = str(detail["loc"][0])
    about = Settings.model_fields[field]
    what = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    given = "" if field in _CONFIDENTIAL else f" is {str(detail['input'])[:60]!r}"
    return (
        f"{field.upper()}{given or ' is set'}, but it {what[0].lower()}{what[1:]}. "
        f"Change it in the environment or in .env: {about.description}."
    )


_CONFIDENTIAL = frozenset(
    {
        *(name for name, about in Settings.model_fields.items() if about.annotation is SecretStr),
        "database_url",
        "redis_url",
    }
)


def _faults(settings: Settings) -> Iterator[str]:
    """Yield what the type of a setting cannot say, worst first."""
    yield from _address_faults(settings)
    yield from _gateway_faults(settings)
    yield from _secret_faults(settings)
    if settings.storyteller == "gemini" and not settings.gemini_api_key.get_secret_value():
        yield "GEMINI_API_KEY is missing, and STORYTELLER=gemini needs it: set it, or take `auto`."
    yield from _geoip_faults(settings)
    if settings.query_cost_per_minute < settings.max_query_cost:
        yield (
            f"QUERY_COST_PER_MINUTE is {settings.query_cost_per_minute}, but one operation may "
            f"cost MAX_QUERY_COST, {settings.max_query_cost}: raise the one or lower the other."
        )
    yield from _passkey_faults(settings)
    if settings.refresh_token_days > settings.session_days:
        yield (
            f"REFRESH_TOKEN_DAYS is {settings.refresh_token_days}, but a session ends after "
            f"SESSION_DAYS, {settings.session_days}: lower the one or raise the other."
        )


def _address_faults(settings: Settings) -> Iterator[str]:
    everything = "" if settings.is_production else ", or start everything with `make run`"
    servers = (
        ("DATABASE_URL", settings.database_url, ("postgresql", "postgres"), 5432),
        ("REDIS_URL", settings.redis_url, ("redis", "rediss"), 6379),
    )
    for name, url, schemes, port in servers:
        form = f"{schemes[0]}://user:password@host:{port}/name"
        if not url:
            yield f"{name} is missing: set it to an address like {form}{everything}."
        elif not _is_url(url, schemes):
            yield f"{name} is not an address that works: write it like {form}."
    if not settings.smtp_host:
        yield f"SMTP_HOST is missing: set it to the name of your mail server{everything}."
    if not _is_url(settings.public_url, ("https", "http")):
        yield (
            f"PUBLIC_URL is {settings.public_url!r}, which is no web address: "
            "write it like https://stories.example."
        )
    elif settings.is_production and urlsplit(settings.public_url).scheme != "https":
        yield (
            f"PUBLIC_URL is {settings.public_url!r}, and production is reached by https only: "
            "set the https address that people use, or ENVIRONMENT=development."
        )


def _geoip_faults(settings: Settings) -> Iterator[str]:
    if not settings.geoip_database:
        return
    remedy = (
        "give the path of a .mmdb file that this process may read, or leave it out, and sessions "
        "show shortened addresses"
    )
    if not Path(settings.geoip_database).is_file():
        yield f"GEOIP_DATABASE names no file: {remedy}."
        return
    from maxminddb import InvalidDatabaseError, open_database  # noqa: PLC0415 - few need it

    try:
        open_database(settings.geoip_database).close()
    except (OSError, InvalidDatabaseError, ValueError) as fault:
        yield f"GEOIP_DATABASE cannot be read ({type(fault).__name__}): {remedy}."


def _passkey_faults(settings: Settings) -> Iterator[str]:
    """A browser lets a page use passkeys of its own domain or one above it, and of no other."""
    domain = settings.passkey_domain
    urls = (settings.public_url, *settings.allowed_origins)
    hosts = [urlsplit(url).hostname for url in urls if _is_url(url, ("https", "http"))]
    if domain and not any(f".{host}".endswith(f".{domain}") for host in hosts):
        yield (
            f"PASSKEY_DOMAIN is {domain!r}, but no page of PUBLIC_URL or ALLOWED_ORIGINS is below "
            "it: write the domain that those pages share, like stories.example."
        )


def _gateway_faults(settings: Settings) -> Iterator[str]:
    if settings.sms_webhook_url and not _is_url(settings.sms_webhook_url, ("https", "http")):
        yield (
            "SMS_WEBHOOK_URL is no web address: write it like https://texts.example/send, or "
            "leave it out."
        )
    elif settings.is_production and urlsplit(settings.sms_webhook_url).scheme == "http":
        yield "SMS_WEBHOOK_URL is not https, and texts carry codes: set its https address."


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _secret_faults(settings: Settings) -> Iterator[str]:
    advice = (
        "draw one with `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'` and keep it"
    )
    secrets = {
        "TOKEN_SIGNING_KEY": settings.token_signing_key.get_secret_value(),
        "CODE_PEPPER": settings.code_pepper.get_secret_value(),
        "FACTOR_KEY": settings.factor_key.get_secret_value(),
    }
    for number, value in enumerate(listed(settings.factor_key_previous), start=1):
        secrets[f"FACTOR_KEY_PREVIOUS (key {number})"] = value
    if settings.sms_webhook_url:
        secrets["SMS_WEBHOOK_SECRET"] = settings.sms_webhook_secret.get_secret_value()
    for name, value in secrets.items():
        if not value and name == "SMS_WEBHOOK_SECRET":
            yield f"{name} is missing, and SMS_WEBHOOK_URL needs it for its signatures: {advice}."
        elif not value:
            yield f"{name} is missing, and production draws no secrets: {advice}."
        elif (weakness := _weakness(value)) is not None:
            yield f"{name} {weakness}: {advice}."
    named: dict[str, str] = {}
    for name, value in secrets.items():
        if value and (other := named.setdefault(value, name)) != name:
            yield f"{name} is the same as {other}, and each needs its own: {advice}."


def _weakness(value: str) -> str | None:
    """Say what is wrong with a key, or None."""
    try:
        key = b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (NotBase64, ValueError):
        return "is not base64url"
    if len(key) != KEY_BYTES:
        return f"holds {len(key)} bytes, not {KEY_BYTES}"
    if len(set(key)) < FEWEST_DISTINCT_BYTES:
        return "is not random"
    return None
