"""The wiring of second factors and passkeys."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypedDict
from urllib.parse import urlsplit

from redis.asyncio import Redis

from adapters.log_in_tickets import RedisFactorTries, RedisLogInTickets
from adapters.passkey_challenges import RedisPasskeyChallenges
from adapters.passkeys import WebAuthnCeremonies
from adapters.recovery_codes import PaperRecoveryCodes
from adapters.totp import PyotpTotpCodes
from bootstrap.origins import origin_of
from bootstrap.secrets import key_bytes
from bootstrap.settings import Settings
from domain.second_factors import FactorPolicy
from usecases.accounts.begin_passkey_log_in import BeginPasskeyLogIn
from usecases.accounts.begin_passkey_registration import BeginPasskeyRegistration
from usecases.accounts.begin_totp_enrollment import BeginTotpEnrollment
from usecases.accounts.complete_log_in import CompleteLogIn
from usecases.accounts.confirm_totp_enrollment import ConfirmTotpEnrollment
from usecases.accounts.disable_totp import DisableTotp
from usecases.accounts.draw_recovery_codes import DrawRecoveryCodes
from usecases.accounts.finish_passkey_log_in import FinishPasskeyLogIn
from usecases.accounts.finish_passkey_registration import FinishPasskeyRegistration
from usecases.accounts.open_session import OpenSession
from usecases.accounts.prove_factor import ProveFactor
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.remove_passkey import RemovePasskey
from usecases.accounts.rename_passkey import RenamePasskey
from usecases.accounts.renew_authentication import RenewAuthentication
from usecases.accounts.renew_recovery_codes import RenewRecoveryCodes
from usecases.deliveries.owe import OweMail
from usecases.ports.factors import (
    FactorTries,
    LogInTickets,
    PasskeyCeremonies,
    PasskeyChallenges,
    RecoveryCodes,
    TotpCodes,
)
from usecases.ports.time_and_chance import Clock
from usecases.ports.transactions import Database


@dataclass(frozen=True, slots=True)
class FactorAdapters:
    """What stands behind the ports of second factors and passkeys."""

    totp_codes: TotpCodes
    recovery_codes: RecoveryCodes
    tries: FactorTries
    tickets: LogInTickets
    challenges: PasskeyChallenges
    ceremonies: PasskeyCeremonies


class FactorUseCases(TypedDict):
    """The part of the catalog that is about second factors and passkeys."""

    complete_log_in: CompleteLogIn
    renew_authentication: RenewAuthentication
    begin_totp_enrollment: BeginTotpEnrollment
    confirm_totp_enrollment: ConfirmTotpEnrollment
    disable_totp: DisableTotp
    renew_recovery_codes: RenewRecoveryCodes
    begin_passkey_registration: BeginPasskeyRegistration
    finish_passkey_registration: FinishPasskeyRegistration
    rename_passkey: RenamePasskey
    remove_passkey: RemovePasskey
    begin_passkey_log_in: BeginPasskeyLogIn
    finish_passkey_log_in: FinishPasskeyLogIn


def factor_adapters(settings: Settings, redis: Redis, clock: Clock) -> FactorAdapters:
    """Wire the adapters; they connect to nothing of their own."""
    policy = FactorPolicy()
    domain, origins = passkey_scope(settings)
    return FactorAdapters(
        totp_codes=PyotpTotpCodes(
            key=key_bytes(settings.factor_key),
            previous=settings.factor_keys_before,
            clock=clock,
        ),
        recovery_codes=PaperRecoveryCodes(),
        tries=RedisFactorTries(redis, policy=policy),
        tickets=RedisLogInTickets(redis, policy=policy, clock=clock),
        challenges=RedisPasskeyChallenges(redis, clock=clock),
        ceremonies=WebAuthnCeremonies(domain=domain, origins=origins),
    )


def factor_use_cases(
    adapters: FactorAdapters,
    *,
    database: Database,
    open_session: OpenSession,
    reauthenticate: Reauthenticate,
    owe: OweMail,
    clock: Clock,
) -> FactorUseCases:
    """Wire the use cases."""
    totp_codes, tries = adapters.totp_codes, adapters.tries
    challenges, ceremonies = adapters.challenges, adapters.ceremonies
    draw_recovery_codes = DrawRecoveryCodes(adapters.recovery_codes, clock)
    prove_factor = ProveFactor(database, totp_codes, adapters.recovery_codes, tries, owe, clock)
    return FactorUseCases(
        complete_log_in=CompleteLogIn(database, adapters.tickets, prove_factor, open_session),
        renew_authentication=RenewAuthentication(reauthenticate, prove_factor, database, clock),
        begin_totp_enrollment=BeginTotpEnrollment(reauthenticate, database, totp_codes, clock),
        confirm_totp_enrollment=ConfirmTotpEnrollment(
            database, totp_codes, draw_recovery_codes, tries, owe, clock
        ),
        disable_totp=DisableTotp(reauthenticate, prove_factor, owe),
        renew_recovery_codes=RenewRecoveryCodes(
            reauthenticate, prove_factor, draw_recovery_codes, owe
        ),
        begin_passkey_registration=BeginPasskeyRegistration(
            reauthenticate, database, challenges, ceremonies
        ),
        finish_passkey_registration=FinishPasskeyRegistration(
            database, challenges, ceremonies, owe, clock
        ),
        rename_passkey=RenamePasskey(database),
        remove_passkey=RemovePasskey(reauthenticate, database, owe),
        begin_passkey_log_in=BeginPasskeyLogIn(challenges, ceremonies),
        finish_passkey_log_in=FinishPasskeyLogIn(
            database, challenges, ceremonies, open_session, owe, clock
        ),
    )


def passkey_scope(settings: Settings) -> tuple[str, list[str]]:
    """Return the domain that passkeys belong to, and the origins whose pages may use them.

    Browsers make no passkeys for addresses in numbers: on a developer's machine they belong to
    `localhost`, which is the same place.
    """
    origins = [origin_of(url) for url in (settings.public_url, *settings.allowed_origins)]
    host = urlsplit(settings.public_url).hostname or "localhost"
    if _is_number(host):
        port = urlsplit(settings.public_url).port
        origins.append(origin_of(f"http://localhost:{port or 80}"))
        host = "localhost"
    return settings.passkey_domain or host, origins


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
