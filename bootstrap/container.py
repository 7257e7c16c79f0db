"""The wiring: the one place where ports meet adapters."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from loguru import logger
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.clock import SystemClock
from adapters.codes import RedisCodes
from adapters.device_names import UserAgentDeviceNames
from adapters.device_tokens import OpaqueDeviceTokens
from adapters.event_log.log import RedisEventLog
from adapters.keyring import Keyring
from adapters.lockout import RedisLockout
from adapters.passwords import Argon2Passwords
from adapters.places import AddressPlaces, GeoIpCountries
from adapters.queue import ArqQueue
from adapters.randomness import SystemRandomness
from adapters.rate_limit import RedisRateLimiter
from adapters.redis_pool import open_redis
from adapters.session_ends import RedisSessionEnds
from adapters.smtp import sender_domain
from adapters.tokens import OpaqueRefreshTokens
from bootstrap.second_factors import FactorAdapters, factor_adapters, factor_use_cases
from bootstrap.secrets import key_bytes
from bootstrap.settings import Settings
from bootstrap.signing import access_tokens, open_keyring
from db.clock import SqlClock
from db.database import SqlDatabase, close_engine, create_engine
from db.job_desk import SqlJobDesk
from db.reads import SqlReads
from domain.codes import CodePolicy, CodePurpose
from domain.devices import DevicePolicy
from domain.lockouts import LockoutPolicy
from domain.sessions import SessionPolicy
from usecases.accounts.authenticate import Authenticate
from usecases.accounts.cancel_account_deletion import CancelAccountDeletion
from usecases.accounts.change_password import ChangePassword
from usecases.accounts.check_password import CheckPassword
from usecases.accounts.complete_email_change import CompleteEmailChange
from usecases.accounts.complete_password_reset import CompletePasswordReset
from usecases.accounts.end_other_sessions import EndOtherSessions
from usecases.accounts.end_session import EndSession
from usecases.accounts.export_account_data import ExportAccountData
from usecases.accounts.known_devices import KnownDevices
from usecases.accounts.list_sessions import ListSessions
from usecases.accounts.log_in import LogIn
from usecases.accounts.log_out import LogOut
from usecases.accounts.log_out_everywhere import LogOutEverywhere
from usecases.accounts.open_session import OpenSession
from usecases.accounts.password_rules import PasswordRules
from usecases.accounts.prove_phone import ProvePhone
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.refresh_tokens import RefreshTokens
from usecases.accounts.remove_phone import RemovePhone
from usecases.accounts.request_account_deletion import RequestAccountDeletion
from usecases.accounts.request_email_change import RequestEmailChange
from usecases.accounts.request_password_reset import RequestPasswordReset
from usecases.accounts.request_phone_code import RequestPhoneCode
from usecases.accounts.resend_otp import ResendOtp
from usecases.accounts.revocation import Revocation
from usecases.accounts.sign_up import SignUp
from usecases.accounts.token_pairs import TokenPairs
from usecases.accounts.verify_otp import VerifyOtp
from usecases.administration.authorize_admin import AuthorizeAdmin
from usecases.administration.discard_dead_letter import DiscardDeadLetter
from usecases.administration.end_account_sessions import EndAccountSessions
from usecases.administration.find_account import FindAccount
from usecases.administration.reinstate_account import ReinstateAccount
from usecases.administration.retry_dead_letter import RetryDeadLetter
from usecases.administration.suspend_account import SuspendAccount
from usecases.catalog import UseCases
from usecases.deliveries.owe import OweMail
from usecases.ports.secrets import AccessTokens
from usecases.ports.time_and_chance import Clock
from usecases.stories.cancel_story import CancelStory
from usecases.stories.follow_account import FollowAccount
from usecases.stories.follow_story import FollowStory
from usecases.stories.request_story import RequestStory, StoryQuota
from usecases.stories.show_progress import ShowProgress

Part = Literal["api", "worker"]
"""Which of the two kinds of process this is; it names the connections in PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Container:
    """What a process works with, as long as it runs."""

    settings: Settings
    clock: Clock
    redis: Redis
    engine: AsyncEngine
    database: SqlDatabase
    reads: SqlReads
    job_desk: SqlJobDesk
    job_queue: ArqQueue
    event_log: RedisEventLog
    session_ends: RedisSessionEnds
    keyring: Keyring
    codes: RedisCodes
    owe: OweMail
    rate_limiter: RedisRateLimiter
    use_cases: UseCases


@asynccontextmanager
async def open_container(settings: Settings, part: Part) -> AsyncIterator[Container]:
    """Wire a process; what it holds is closed at the end of the block. Connects to nothing yet."""
    async with AsyncExitStack() as stack:
        # Claims set it: the API, which makes none, keeps the time of its machine.
        clock = SqlClock(SystemClock())
        redis = await stack.enter_async_context(open_redis(settings.redis_url))
        engine = create_engine(
            settings.database_url,
            pool_size=settings.database_pool_size,
            application_name=f"storyloom {part}",
        )
        stack.push_async_callback(close_engine, engine)
        job_queue = ArqQueue(redis)
        keyring = await stack.enter_async_context(
            open_keyring(settings, job_queue, clock, part=part)
        )
        event_log = RedisEventLog(redis, clock)
        stack.push_async_callback(event_log.aclose)
        session_ends = RedisSessionEnds(redis, access_life=_sessions(settings).access, clock=clock)
        stack.push_async_callback(session_ends.close)
        passwords = Argon2Passwords(
            memory_kib=settings.argon2_memory_kib, time_cost=settings.argon2_time_cost
        )
        stack.callback(passwords.close)
        codes = RedisCodes(
            redis,
            pepper=key_bytes(settings.code_pepper),
            policy=_codes(settings, settings.code_digits),
            special={CodePurpose.PASSWORD_RESET: _codes(settings, settings.reset_code_digits)},
            in_all_per_hour=settings.codes_in_all_per_hour,
            clock=clock,
        )
        owe = OweMail(clock, sender_domain(settings.mail_from))
        database, reads = SqlDatabase(engine, job_queue), SqlReads(engine)
        yield Container(
            settings=settings,
            clock=clock,
            redis=redis,
            engine=engine,
            database=database,
            reads=reads,
            job_desk=SqlJobDesk(
                engine, lease=timedelta(seconds=settings.job_lease_seconds), clock=clock
            ),
            job_queue=job_queue,
            event_log=event_log,
            session_ends=session_ends,
            keyring=keyring,
            codes=codes,
            owe=owe,
            rate_limiter=RedisRateLimiter(redis),
            use_cases=_use_cases(
                settings,
                clock=clock,
                database=database,
                reads=reads,
                event_log=event_log,
                session_ends=session_ends,
                tokens=access_tokens(settings, keyring, clock),
                codes=codes,
                owe=owe,
                passwords=passwords,
                lockout=RedisLockout(
                    redis,
                    pepper=key_bytes(settings.code_pepper),
                    policy=lockout_policy(settings),
                    clock=clock,
                ),
                places=_places(settings, stack),
                factors=factor_adapters(settings, redis, clock),
            ),
        )
        logger.bind(part=part, tasks=len(asyncio.all_tasks())).info("Process stops")


def _use_cases(
    settings: Settings,
    *,
    clock: Clock,
    database: SqlDatabase,
    reads: SqlReads,
    event_log: RedisEventLog,
    session_ends: RedisSessionEnds,
    tokens: AccessTokens,
    codes: RedisCodes,
    owe: OweMail,
    passwords: Argon2Passwords,
    lockout: RedisLockout,
    places: AddressPlaces,
    factors: FactorAdapters,
) -> UseCases:
    refresh_tokens = OpaqueRefreshTokens()
    token_pairs = TokenPairs(tokens, refresh_tokens, _sessions(settings))
    known_devices = KnownDevices(OpaqueDeviceTokens(), owe, clock, DevicePolicy())
    check_password = CheckPassword(database, passwords, lockout)
    open_session = OpenSession(token_pairs, known_devices, clock)
    password_rules = PasswordRules(settings.password_min_length)
    reauthenticate = Reauthenticate(database, check_password, lockout)
    revocation = Revocation(database, session_ends, clock)
    authorize_admin = AuthorizeAdmin(
        database,
        clock,
        freshness=timedelta(minutes=settings.admin_reauthentication_minutes),
        networks=settings.admin_networks,
    )
    return UseCases(
        sign_up=SignUp(database, codes, passwords, password_rules, owe, clock),
        verify_otp=VerifyOtp(database, codes, clock),
        resend_otp=ResendOtp(database, codes, owe),
        log_in=LogIn(
            database,
            codes,
            passwords,
            check_password,
            lockout,
            known_devices,
            factors.tickets,
            open_session,
            owe,
        ),
        **factor_use_cases(
            factors,
            database=database,
            open_session=open_session,
            reauthenticate=reauthenticate,
            owe=owe,
            clock=clock,
        ),
        refresh_tokens=RefreshTokens(
            database, refresh_tokens, token_pairs, session_ends, owe, clock
        ),
        log_out=LogOut(database, refresh_tokens, session_ends, clock),
        authenticate=Authenticate(tokens, session_ends, reads, clock),
        list_sessions=ListSessions(
            reads, UserAgentDeviceNames(), places, _sessions(settings).idle, clock
        ),
        end_session=EndSession(reauthenticate, database, revocation),
        end_other_sessions=EndOtherSessions(reauthenticate, database, revocation),
        log_out_everywhere=LogOutEverywhere(reauthenticate, database, revocation),
        change_password=ChangePassword(
            reauthenticate, database, passwords, password_rules, revocation, owe
        ),
        request_password_reset=RequestPasswordReset(database, codes, owe),
        complete_password_reset=CompletePasswordReset(
            database, codes, passwords, password_rules, revocation, lockout, owe
        ),
        request_email_change=RequestEmailChange(reauthenticate, database, codes, owe),
        complete_email_change=CompleteEmailChange(database, codes, revocation, owe),
        request_phone_code=RequestPhoneCode(
            reauthenticate, database, codes, owe, is_offered=settings.offers_phones
        ),
        prove_phone=ProvePhone(database, codes, owe, clock),
        remove_phone=RemovePhone(reauthenticate, database, owe),
        export_account_data=ExportAccountData(reauthenticate, database, clock),
        request_account_deletion=RequestAccountDeletion(
            reauthenticate,
            database,
            revocation,
            owe,
            clock,
            grace=timedelta(days=settings.deletion_grace_days),
        ),
        cancel_account_deletion=CancelAccountDeletion(database),
        authorize_admin=authorize_admin,
        find_account=FindAccount(authorize_admin, database),
        end_account_sessions=EndAccountSessions(authorize_admin, database, revocation),
        suspend_account=SuspendAccount(authorize_admin, database, revocation, owe, clock),
        reinstate_account=ReinstateAccount(authorize_admin, database, owe),
        retry_dead_letter=RetryDeadLetter(authorize_admin, database, clock),
        discard_dead_letter=DiscardDeadLetter(authorize_admin, database),
        request_story=RequestStory(
            database, reads, event_log, clock, SystemRandomness(), _quota(settings)
        ),
        cancel_story=CancelStory(database, event_log, clock),
        follow_story=FollowStory(reads, event_log, clock),
        follow_account=FollowAccount(reads, event_log, clock),
        show_progress=ShowProgress(reads, event_log, clock),
    )


def _codes(settings: Settings, digits: int) -> CodePolicy:
    return CodePolicy(
        digits=digits,
        lifetime=timedelta(minutes=settings.code_minutes),
        attempts=settings.code_attempts,
        cooldown=timedelta(seconds=settings.code_cooldown_seconds),
        per_hour=settings.code_per_hour,
        per_day=settings.code_per_day,
    )


def lockout_policy(settings: Settings) -> LockoutPolicy:
    """Return how often somebody may guess, as the operator has it."""
    return LockoutPolicy(
        failures=settings.lockout_attempts, window=timedelta(minutes=settings.lockout_minutes)
    )


def _sessions(settings: Settings) -> SessionPolicy:
    return SessionPolicy(
        access=timedelta(minutes=settings.access_token_minutes),
        idle=timedelta(days=settings.refresh_token_days),
        absolute=timedelta(days=settings.session_days),
        reuse_grace=timedelta(seconds=settings.refresh_reuse_grace_seconds),
    )


def _quota(settings: Settings) -> StoryQuota:
    return StoryQuota(
        per_month=settings.stories_per_month,
        per_day=settings.stories_per_day,
        at_once=settings.stories_at_once,
    )


def _places(settings: Settings, stack: AsyncExitStack) -> AddressPlaces:
    if not settings.geoip_database:
        return AddressPlaces()
    countries = GeoIpCountries(Path(settings.geoip_database))
    stack.callback(countries.close)
    return AddressPlaces(countries)
