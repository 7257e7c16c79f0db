"""Every setting, in one object."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bootstrap.secrets import key_bytes, listed
from domain.jobs import Queue

Network = IPv4Network | IPv6Network
Names = Annotated[tuple[str, ...], NoDecode]
Networks = Annotated[tuple[Network, ...], NoDecode]
Slots = Annotated[Mapping[Queue, Annotated[int, Field(ge=1, le=1000)]], NoDecode]


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
        SecretStr(""),
        description="Master key that seals the signing keys of access tokens, 32 bytes in "
        "base64url; `storyloom keys rotate` changes those keys, not this one",
    )
    token_format: Literal["jwt", "paseto"] = Field(
        "jwt", description="What access tokens are: JWTs of RFC 9068, or PASETO v4.public"
    )
    key_propagation_seconds: int = Field(
        300,
        ge=0,
        le=86_400,
        description="Time that a new signing key is public before it signs; longer than others "
        "keep `/.well-known/jwks.json`, which says a minute",
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
    reset_code_digits: int = Field(8, ge=6, le=8, description="Length of a password-reset code")
    code_minutes: int = Field(10, ge=1, le=60, description="Life of a code")
    code_attempts: int = Field(5, ge=1, le=10, description="Wrong codes before it is void")
    code_cooldown_seconds: int = Field(60, ge=0, le=600, description="Time between two codes")
    code_per_hour: int = Field(5, ge=1, description="Codes an address may get in an hour")
    code_per_day: int = Field(10, ge=1, description="Codes an address may get in a day")
    codes_in_all_per_hour: int = Field(
        1_000,
        ge=1,
        description="Codes that all addresses together may get in an hour, by mail or by text",
    )
    lockout_attempts: int = Field(
        5,
        ge=1,
        le=50,
        description="Wrong passwords from one place before it is locked out of an account",
    )
    lockout_minutes: int = Field(
        15, ge=1, le=1_440, description="Time in which those are counted, and so the longest lock"
    )
    geoip_database: str = Field(
        "",
        description="File in MaxMind's format that tells the countries of addresses, for the list "
        "of sessions",
    )
    deletion_grace_days: int = Field(
        14, ge=0, le=90, description="Time to change one's mind after asking for deletion"
    )
    factor_key: SecretStr = Field(
        SecretStr(""),
        description="Key that seals the secrets of authenticator apps, 32 bytes in base64url",
    )
    factor_key_previous: SecretStr = Field(
        SecretStr(""),
        description="What FACTOR_KEY was before, newest first, comma-separated: opens the secrets "
        "that it sealed, each of which is sealed anew at its next use",
    )
    passkey_domain: str = Field(
        "",
        description="Domain that passkeys belong to, such as `stories.example` for pages of "
        "`app.stories.example`; PUBLIC_URL's host if empty",
    )
    admin_reauthentication_minutes: int = Field(
        15, ge=1, le=1440, description="Administration takes a log-in, or another proof, so recent"
    )
    admin_networks: Networks = Field(
        (),
        description="Networks that admins may work from, comma-separated, such as `10.0.0.0/8`; "
        "any if empty",
    )
    password_min_length: int = Field(12, ge=8, le=64, description="Shortest password")
    argon2_memory_kib: int = Field(19456, ge=8, description="Memory of one password hash, in KiB")
    argon2_time_cost: int = Field(2, ge=1, description="Passes of one password hash")

    # Stories
    storyteller: Literal["auto", "gemini", "offline"] = Field(
        "auto", description="`auto` takes Gemini when GEMINI_API_KEY is set, else the built-in one"
    )
    storyteller_concurrency: int = Field(
        20, ge=1, le=10_000, description="Calls to the storyteller at once, over all workers"
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

    # Text messages
    sms_webhook_url: str = Field(
        "",
        description="Gateway that text messages are posted to; without one development mails them "
        "to its catcher, and production offers no phone numbers",
    )
    sms_webhook_secret: SecretStr = Field(
        SecretStr(""), description="Key of the gateway's signatures, 32 bytes in base64url"
    )

    # The edge
    allowed_origins: Names = Field(
        (), description="Origins of browser apps, comma-separated; PUBLIC_URL's is always allowed"
    )
    trusted_proxies: Networks = Field(
        (), description="Networks of your reverse proxies, comma-separated, for X-Forwarded-For"
    )
    rate_limit_burst: int = Field(
        60, ge=1, description="Requests an address may make at once, and reads an account may"
    )
    rate_limit_per_minute: int = Field(
        300, ge=1, description="Requests an address may make a minute, and reads an account may"
    )
    authentication_burst: int = Field(
        30,
        ge=1,
        description="Log-ins, codes and such that an address, or an account, may send at once",
    )
    authentication_per_minute: int = Field(
        60,
        ge=1,
        description="Log-ins, codes and such that an address, or an account, may send a minute",
    )
    story_burst: int = Field(
        10, ge=1, description="Stories that an address, or an account, may ask for at once"
    )
    story_per_minute: int = Field(
        30, ge=1, description="Stories that an address, or an account, may ask for in a minute"
    )
    max_query_cost: int = Field(
        10_000, ge=1_000, description="Most points that an operation may cost"
    )
    query_cost_per_minute: int = Field(
        100_000,
        ge=1_000,
        description="Points that an account, or a stranger's address, has a minute",
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
    sockets_per_address: int = Field(
        50, ge=1, description="WebSockets and streams of one client address"
    )
    sockets_per_account: int = Field(5, ge=1, description="WebSockets and streams of one account")
    drain_seconds: float = Field(
        8, ge=0, description="Time that running requests and jobs get when a process must stop"
    )

    # Workers
    worker_queues: Slots = Field(
        {Queue.STORIES: 10, Queue.MAIL: 10, Queue.FILES: 2, Queue.MAINTENANCE: 2},
        description="Queues that a worker process serves, and how many jobs of each it runs at "
        "once, 1 to 1000; `mail=50` serves one queue alone",
    )
    job_lease_seconds: float = Field(
        30, ge=1, le=300, description="A worker that is silent for so long loses its jobs to others"
    )

    @field_validator("allowed_origins", "trusted_proxies", "admin_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("worker_queues", mode="before")
    @classmethod
    def _count(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        slots = [part.partition("=") for part in value.split(",") if part.strip()]
        if not slots or not all(equals for _, equals, _ in slots):
            raise ValueError("should be like `stories=10,mail=10`")
        return {name.strip(): count.strip() for name, _, count in slots}

    @property
    def is_production(self) -> bool:
        """Whether the strict rules hold."""
        return self.environment is Environment.PRODUCTION

    @property
    def factor_keys_before(self) -> tuple[bytes, ...]:
        """What FACTOR_KEY was before, newest first."""
        return tuple(map(key_bytes, map(SecretStr, listed(self.factor_key_previous))))

    @property
    def offers_phones(self) -> bool:
        """Whether text messages reach anybody: a phone, or who looks into the mail catcher."""
        return bool(self.sms_webhook_url) or not self.is_production

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
