"""What an operator can rely on: every setting documented, every bad one named in one line."""

import json
import os
import subprocess
import sys
from base64 import b64decode, urlsafe_b64encode
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import pytest
from pydantic import SecretStr

from bootstrap.container import lockout_policy
from bootstrap.second_factors import passkey_scope
from bootstrap.secrets import NAMES, development_secrets
from bootstrap.settings import Settings
from bootstrap.settings_loading import SettingsInvalid, load_settings
from bootstrap.settings_reference import (
    EXAMPLE,
    FORCED,
    README,
    ROOT,
    SECTIONS,
    environment_example,
    readme_with,
    settings_table,
)

ADDRESSES = {
    "DATABASE_URL": "postgresql://reader:secret-word@db.example/stories",
    "REDIS_URL": "redis://cache.example/0",
    "SMTP_HOST": "mail.example",
}
KEYS = {
    "TOKEN_SIGNING_KEY": urlsafe_b64encode(bytes(range(32))).decode(),
    "CODE_PEPPER": urlsafe_b64encode(bytes(range(32, 64))).decode(),
    "FACTOR_KEY": urlsafe_b64encode(bytes(range(64, 96))).decode(),
}
EARLIER = urlsafe_b64encode(bytes(range(96, 128))).decode()
PRODUCTION = {
    **ADDRESSES,
    **KEYS,
    "ENVIRONMENT": "production",
    "PUBLIC_URL": "https://stories.example",
}


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take every setting away, and be where no `.env` is."""
    for name in [name for name in os.environ if name.lower() in Settings.model_fields]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "run-secrets"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the line that the settings are refused with."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    return str(refused.value)


def test_the_example_and_the_table_are_those_of_the_code() -> None:
    assert EXAMPLE.read_text() == environment_example(), "run `make reference`"
    assert README.read_text() == readme_with(settings_table()), "run `make reference`"


def test_every_setting_says_what_it_is() -> None:
    assert [n for n, about in Settings.model_fields.items() if not about.description] == []
    assert set(SECTIONS) | set(FORCED) <= set(Settings.model_fields)


def test_the_example_as_it_stands_sets_nothing(nothing_set: Path) -> None:
    (nothing_set / ".env").write_text(environment_example())
    assert Settings().model_fields_set == set()


def test_every_line_of_the_example_can_be_uncommented(nothing_set: Path) -> None:
    lines = environment_example().splitlines()
    settings = [line.removeprefix("#") for line in lines if line.startswith("#") and "=" in line]
    assigned = [line for line in settings if line.partition("=")[0].isupper()]
    (nothing_set / ".env").write_text("\n".join(assigned))
    assert len(assigned) == len(Settings.model_fields)
    assert Settings() == Settings(_env_file=None)


def test_a_complete_production_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.is_production
    assert settings.code_pepper == SecretStr(KEYS["CODE_PEPPER"])


@pytest.mark.parametrize("missing", [*ADDRESSES, *KEYS])
def test_production_starts_with_nothing_missing(
    missing: str, nothing_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = refusal({**PRODUCTION, missing: ""}, monkeypatch)
    assert line.startswith(f"storyloom: {missing} is missing")
    assert not (nothing_set / ".storyloom").exists()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TOKEN_SIGNING_KEY", "changeme", "holds 6 bytes, not 32"),
        ("TOKEN_SIGNING_KEY", "not base64!", "is not base64url"),
        ("TOKEN_SIGNING_KEY", urlsafe_b64encode(bytes(32)).decode(), "is not random"),
        ("CODE_PEPPER", urlsafe_b64encode(b"secret" * 5 + b"!!").decode(), "is not random"),
        ("CODE_PEPPER", KEYS["TOKEN_SIGNING_KEY"], "is the same as TOKEN_SIGNING_KEY"),
        ("FACTOR_KEY", urlsafe_b64encode(bytes(32)).decode(), "is not random"),
        ("FACTOR_KEY", KEYS["CODE_PEPPER"], "is the same as CODE_PEPPER"),
        ("FACTOR_KEY_PREVIOUS", KEYS["FACTOR_KEY"], "(key 1) is the same as FACTOR_KEY"),
        ("FACTOR_KEY_PREVIOUS", f"{EARLIER},changeme", "(key 2) holds 6 bytes, not 32"),
        ("LOCKOUT_ATTEMPTS", "0", "is '0', but it should be greater than or equal to 1"),
        ("LOCKOUT_MINUTES", "1441", "is '1441', but it should be less than or equal to 1440"),
        ("CODES_IN_ALL_PER_HOUR", "0", "is '0', but it should be greater than or equal to 1"),
        ("GEOIP_DATABASE", "/nowhere.mmdb", "names no file: give the path of a .mmdb file"),
        ("GEOIP_DATABASE", __file__, "cannot be read (InvalidDatabaseError): give the path"),
        ("PASSKEY_DOMAIN", "evil.test", "no page of PUBLIC_URL or ALLOWED_ORIGINS is below it"),
        ("PASSKEY_DOMAIN", "ories.example", "no page of PUBLIC_URL or ALLOWED_ORIGINS is below it"),
        ("PUBLIC_URL", "http://stories.example", "reached by https only"),
        ("PUBLIC_URL", "stories.example", "is no web address"),
        ("DATABASE_URL", "mysql://reader:secret-word@db.example/x", "is not an address that works"),
        ("DATABASE_URL", "postgresql://reader:secret-word@db.example:port/x", "is not an address"),
        ("REDIS_URL", "cache.example:6379", "is not an address that works"),
        ("SMS_WEBHOOK_URL", "http://texts.example/send", "is not https, and texts carry codes"),
        ("SMS_WEBHOOK_URL", "texts.example", "is no web address"),
        ("PORT", "abc", "is 'abc', but it should be a valid integer"),
        ("PORT", "70000", "is '70000', but it should be less than or equal to 65535"),
        ("LOG_FORMAT", "xml", "is 'xml', but it should be 'json' or 'pretty'"),
        ("ADMIN_NETWORKS", "10.0.0.1/8", "is '10.0.0.1/8', but it is not a valid IPv4 network"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy", "is 'proxy', but it is not a valid IPv4 network"),
        ("GEMINI_CHUNK_SECONDS", "0", "is '0', but it should be greater than 0"),
        ("WORKER_QUEUES", "mail", "is 'mail', but it should be like `stories=10,mail=10`"),
        ("WORKER_QUEUES", "post=3", "is 'post', but it should be 'stories', 'mail'"),
        ("WORKER_QUEUES", "mail=0", "is '0', but it should be greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line_that_keeps_secrets(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = refusal({**PRODUCTION, name: value}, monkeypatch)
    assert line.startswith(f"storyloom: {name} ")
    assert says in line
    assert "\n" not in line
    assert "secret-word" not in line
    assert KEYS["TOKEN_SIGNING_KEY"] not in line


def test_several_wrong_settings_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    line = refusal({"PORT": "0", "LOG_LEVEL": "loud", "MAX_QUERY_DEPTH": "-1"}, monkeypatch)
    assert line.startswith("storyloom: PORT is '0'")
    assert line.endswith("(2 more after this one)")


def test_a_gateway_for_texts_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = {"SMS_WEBHOOK_URL": "https://texts.example/send"}
    assert "SMS_WEBHOOK_SECRET is missing" in refusal({**PRODUCTION, **gateway}, monkeypatch)
    shared = {**gateway, "SMS_WEBHOOK_SECRET": KEYS["CODE_PEPPER"]}
    line = refusal({**PRODUCTION, **shared}, monkeypatch)
    assert "SMS_WEBHOOK_SECRET is the same as CODE_PEPPER" in line


def test_in_development_too_a_gateway_for_texts_needs_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = refusal({**ADDRESSES, "SMS_WEBHOOK_URL": "https://texts.example/send"}, monkeypatch)
    assert line.startswith("storyloom: SMS_WEBHOOK_SECRET is missing, and SMS_WEBHOOK_URL needs it")
    assert "production" not in line
    assert "\n" not in line


def test_lockouts_and_earlier_keys_are_as_the_operator_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    older = [token_urlsafe(32), token_urlsafe(32)]
    chosen = {"LOCKOUT_ATTEMPTS": "3", "LOCKOUT_MINUTES": "60"}
    for name, value in {**PRODUCTION, **chosen, "FACTOR_KEY_PREVIOUS": ", ".join(older)}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    policy = lockout_policy(settings)
    assert (policy.failures, policy.window) == (3, timedelta(hours=1))
    assert settings.factor_keys_before == tuple(
        b64decode(f"{key}=", altchars=b"-_") for key in older
    )


def test_gemini_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    line = refusal({**PRODUCTION, "STORYTELLER": "gemini"}, monkeypatch)
    assert line.startswith("storyloom: GEMINI_API_KEY is missing")


def test_a_refresh_token_ends_no_later_than_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    line = refusal({**PRODUCTION, "SESSION_DAYS": "7"}, monkeypatch)
    assert line.startswith("storyloom: REFRESH_TOKEN_DAYS is 30")


def test_development_draws_its_secrets_once_and_keeps_them_to_itself(
    nothing_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ADDRESSES.items():
        monkeypatch.setenv(name, value)
    first, second = load_settings(), load_settings()
    assert first.token_signing_key == second.token_signing_key
    assert first.token_signing_key != first.code_pepper
    kept = nothing_set / ".storyloom" / "secrets.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["secrets.json"]


def test_development_keeps_a_secret_that_was_set(
    nothing_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**ADDRESSES, "CODE_PEPPER": KEYS["CODE_PEPPER"]}.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.code_pepper == SecretStr(KEYS["CODE_PEPPER"])
    drawn = development_secrets(nothing_set / ".storyloom")
    assert settings.token_signing_key == SecretStr(drawn["TOKEN_SIGNING_KEY"])
    assert set(drawn) == set(NAMES)


def test_a_secret_that_an_older_version_did_not_draw_follows_from_the_others(
    nothing_set: Path,
) -> None:
    home = nothing_set / ".storyloom"
    kept = home / "secrets.json"
    first = development_secrets(home)
    older = {name: value for name, value in first.items() if name != "FACTOR_KEY"}
    kept.write_text(json.dumps(older))
    again = development_secrets(home)
    assert again == development_secrets(home)
    assert {name: again[name] for name in older} == older
    assert len(b64decode(again["FACTOR_KEY"], altchars=b"-_")) == 32
    assert len(set(again.values())) == len(NAMES)


@pytest.mark.parametrize(
    ("settings", "domain", "origins"),
    [
        (
            {"public_url": "https://api.stories.example/", "passkey_domain": "stories.example"},
            "stories.example",
            ["https://api.stories.example", "https://app.stories.example:8443"],
        ),
        (
            {"public_url": "https://stories.example"},
            "stories.example",
            ["https://stories.example", "https://app.stories.example:8443"],
        ),
        (
            {"public_url": "http://127.0.0.1:8000"},
            "localhost",
            [
                "http://127.0.0.1:8000",
                "https://app.stories.example:8443",
                "http://localhost:8000",
            ],
        ),
    ],
)
def test_passkeys_belong_to_a_domain_and_are_used_by_the_allowed_pages(
    settings: dict[str, Any], domain: str, origins: list[str]
) -> None:
    made = Settings(
        _env_file=None, allowed_origins=("https://app.stories.example:8443/",), **settings
    )
    assert passkey_scope(made) == (domain, origins)


def test_secrets_may_be_files(nothing_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = nothing_set / "run-secrets"
    folder.mkdir()
    for name, value in PRODUCTION.items():
        if name in KEYS:
            (folder / name).write_text(f"{value}\n")
        else:
            monkeypatch.setenv(name, value)
    assert load_settings().token_signing_key == SecretStr(KEYS["TOKEN_SIGNING_KEY"])


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "bootstrap"],
        ["-m", "uvicorn", "api.app:create_app", "--factory", "--port", "0"],
        ["-m", "arq", "workers.WorkerSettings"],
    ],
    ids=["supervisor", "api", "worker"],
)
def test_a_bad_setting_ends_every_process_with_that_line_alone(
    command: list[str], nothing_set: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            "STORYLOOM_HOME": str(nothing_set),
            "ENVIRONMENT": "production",
            "LOG_FORMAT": "xml",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stdout + ended.stderr == (
        "storyloom: LOG_FORMAT is 'xml', but it should be 'json' or 'pretty'. "
        "Change it in the environment or in .env: `json` for machines, `pretty` for people.\n"
    )
