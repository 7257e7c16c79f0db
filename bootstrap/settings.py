"""Every setting, in one object, read from the environment or `.env` and checked at start."""

import os
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from bootstrap.secrets import KEY_BYTES, development_secrets

Network = IPv4Network | IPv6Network
Names = Annotated[tuple[str, ...], NoDecode]
Networks = Annotated[tuple[Network, ...], NoDecode]


class Environment(StrEnum):
    """How strict the start is."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """What an operator can set. Each field is an environment variable of the same name."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    # The service
    environment: Environment = Field(
        Environment.DEVELOPMENT,
        description="`production` refuses weak or missing secrets and switches GraphiQL off",
    )
    public_url: str = Field(
        "http://127.0.0.1:8000", description="Where people reach this service; used in mails"
    )
    host: str = Field("127.0.0.1", description="Address the API listens on")
    port: int = Field(8000, ge=1, le=65535, description="Port the API listens on")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe log lines that are written"
    )
    log_format: Literal["json", "pretty"] = Field(
        "json", description="`json` for machines, `pretty` for people"
    )
    storyloom_home: Path = Field(
        Path(".storyloom"),
        description="Folder of what development keeps: databases, mails, secrets",
    )

    # PostgreSQL and Redis
    database_url: str = Field(
        "", description="PostgreSQL, `postgresql://user:password@host:5432/name`"
    )
    database_pool_size: int = Field(
        10, ge=1, le=200, description="PostgreSQL connections a process may hold"
    )
    redis_url: str = Field("", description="Redis, `redis://host:6379/0`")

    # Accounts
    token_signing_key: SecretStr = Field(
        SecretStr(""), description="Ed25519 private key of the access tokens, 32 bytes in base64url"
    )
    token_issuer: str = Field("storyloom", description="`iss` of the access tokens")
    token_audience: str = Field("storyloom-api", description="`aud` of the access tokens")
    access_token_minutes: int = Field(15, ge=1, le=60, description="Life of an access token")
    refresh_token_days: int = Field(
        30, ge=1, le=90, description="A session ends when it is not used for so long"
    )
    session_days: int = Field(90, ge=1, le=365, description="A session ends at the latest then")
    refresh_reuse_grace_seconds: int = Field(
        10, ge=0, le=60, description="A lost refresh answer is given again within this time"
    )
    code_pepper: SecretStr = Field(
        SecretStr(""), description="Key of the one-time codes' MACs, 32 bytes in base64url"
    )
    code_digits: int = Field(6, ge=4, le=8, description="Length of a sign-up code")
    code_minutes: int = Field(10, ge=1, le=60, description="Life of a code")
    code_attempts: int = Field(5, ge=1, le=10, description="Wrong codes before it is void")
    code_cooldown_seconds: int = Field(60, ge=0, le=600, description="Time between two codes")
    code_per_hour: int = Field(5, ge=1, description="Codes an address may get in an hour")
    code_per_day: int = Field(10, ge=1, description="Codes an address may get in a day")
    password_min_length: int = Field(12, ge=8, le=64, description="Shortest password")
    argon2_memory_kib: int = Field(19456, ge=8, description="Memory of one password hash, in KiB")
    argon2_time_cost: int = Field(2, ge=1, description="Passes of one password hash")

    # Stories
    storyteller: Literal["auto", "gemini", "offline"] = Field(
        "auto", description="`auto` takes Gemini when GEMINI_API_KEY is set, else the built-in one"
    )
    gemini_api_key: SecretStr = Field(SecretStr(""), description="Key of the Gemini API")
    gemini_model: str = Field("gemini-2.5-flash", description="Model that writes the stories")
    gemini_base_url: str = Field("", description="Another address of the Gemini API, for a proxy")
    gemini_max_output_tokens: int = Field(
        8192, ge=256, description="Most tokens a single call may answer with"
    )
    gemini_first_chunk_seconds: float = Field(
        30, gt=0, description="Longest wait for the first words of an answer"
    )
    gemini_chunk_seconds: float = Field(20, gt=0, description="Longest silence within an answer")
    gemini_total_seconds: float = Field(180, gt=0, description="Longest time of a single call")
    gemini_attempts: int = Field(3, ge=1, le=10, description="Tries of a call before the job waits")
    offline_words_per_minute: int = Field(
        900, ge=60, le=1_000_000, description="Pace of the built-in storyteller"
    )
    stories_per_month: int = Field(
        10, ge=1, description="Stories an account may ask for in 30 days"
    )
    stories_per_day: int = Field(2, ge=1, description="Stories an account may ask for in 24 hours")
    stories_at_once: int = Field(2, ge=1, description="Unfinished stories an account may have")

    # Mail
    smtp_host: str = Field("", description="Mail server")
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server")
    smtp_username: str = Field("", description="User name at the mail server, if it asks for one")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password at the mail server")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection to the mail server is protected"
    )
    smtp_timeout_seconds: float = Field(30, gt=0, description="Longest wait for the mail server")
    mail_from: str = Field(
        "Storyloom <stories@storyloom.example>", description="Sender of all mails"
    )

    # The edge
    allowed_origins: Names = Field(
        (), description="Origins of browser apps, comma-separated; PUBLIC_URL's is always allowed"
    )
    trusted_proxies: Networks = Field(
        (), description="Networks of your reverse proxies, comma-separated, for X-Forwarded-For"
    )
    rate_limit_burst: int = Field(
        60, ge=1, description="Requests a client address may make at once"
    )
    rate_limit_per_minute: int = Field(
        300, ge=1, description="Requests a client address may make in the long run"
    )
    max_body_bytes: int = Field(100_000, ge=1_000, description="Largest request body")
    max_query_depth: int = Field(8, ge=1, description="Deepest selection in an operation")
    max_query_aliases: int = Field(15, ge=0, description="Most aliases in a document")
    max_query_tokens: int = Field(1_000, ge=100, description="Most tokens in a document")
    operation_seconds: float = Field(10, gt=0, description="Longest time of a query or mutation")
    introspection: Literal["auto", "on", "off"] = Field(
        "auto", description="Whether clients may read the schema; `auto` is on but in production"
    )
    documents: Literal["any", "trusted"] = Field(
        "any", description="Which documents are run: `any`, or only those of TRUSTED_DOCUMENTS"
    )
    trusted_documents: str = Field(
        "", description="Folder of documents that clients name by hash, a `.json` file a client"
    )
    socket_operations: int = Field(10, ge=1, description="Operations at once on a WebSocket")
    sockets_per_address: int = Field(50, ge=1, description="WebSockets of one client address")
    sockets_per_account: int = Field(5, ge=1, description="WebSockets of one account")
    drain_seconds: float = Field(
        8, ge=0, description="Time that running requests and jobs get when a process must stop"
    )

    # Workers
    worker_concurrency: int = Field(10, ge=1, le=1000, description="Jobs a worker runs at once")
    job_lease_seconds: float = Field(
        30, ge=1, le=300, description="A worker that is silent for so long loses its jobs to others"
    )

    @field_validator("allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def is_production(self) -> bool:
        """Whether the strict rules hold."""
        return self.environment is Environment.PRODUCTION

    @property
    def introspects(self) -> bool:
        """Whether clients may read the schema, after `auto` is decided."""
        return self.introspection == "on" or (
            self.introspection == "auto" and not self.is_production
        )

    @cached_property
    def storyteller_name(self) -> Literal["gemini", "offline"]:
        """The storyteller that writes, after `auto` is decided."""
        if self.storyteller == "auto":
            return "gemini" if self.gemini_api_key.get_secret_value() else "offline"
        return self.storyteller


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
    yield from _secret_faults(settings)
    if settings.storyteller == "gemini" and not settings.gemini_api_key.get_secret_value():
        yield "GEMINI_API_KEY is missing, and STORYTELLER=gemini needs it: set it, or take `auto`."
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
    }
    for name, value in secrets.items():
        if not value:
            yield f"{name} is missing, and production draws no secrets: {advice}."
        elif (weakness := _weakness(value)) is not None:
            yield f"{name} {weakness}: {advice}."
    if all(secrets.values()) and len(set(secrets.values())) < len(secrets):
        yield f"CODE_PEPPER is the same as TOKEN_SIGNING_KEY, and each needs its own: {advice}."


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
