"""The wiring: the one place where ports meet adapters."""

from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import SecretStr
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as TimedOut
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.clock import SystemClock
from adapters.codes import RedisCodes
from adapters.event_log.log import RedisEventLog
from adapters.passwords import Argon2Passwords
from adapters.queue import ArqQueue
from adapters.randomness import SystemRandomness
from adapters.rate_limit import RedisRateLimiter
from adapters.session_ends import RedisSessionEnds
from adapters.smtp import sender_domain
from adapters.tokens import JwtAccessTokens, OpaqueRefreshTokens
from bootstrap.settings import Settings
from db.database import SqlDatabase, create_engine
from db.jobs import SqlJobDesk
from db.reads import SqlReads
from domain.codes import CodePolicy
from domain.sessions import SessionPolicy
from usecases.accounts.authenticate import Authenticate
from usecases.accounts.log_in import LogIn
from usecases.accounts.log_out import LogOut
from usecases.accounts.password_rules import PasswordRules
from usecases.accounts.refresh_tokens import RefreshTokens
from usecases.accounts.resend_otp import ResendOtp
from usecases.accounts.sign_up import SignUp
from usecases.accounts.token_pairs import TokenPairs
from usecases.accounts.verify_otp import VerifyOtp
from usecases.catalog import UseCases
from usecases.deliveries.owe import OweMail
from usecases.ports import Clock
from usecases.stories.cancel_story import CancelStory
from usecases.stories.follow_account import FollowAccount
from usecases.stories.follow_story import FollowStory
from usecases.stories.request_story import RequestStory, StoryQuota

Part = Literal["api", "worker"]
"""Which of the two kinds of process this is; it names the connections in PostgreSQL."""

REDIS_SECONDS = 5


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
    codes: RedisCodes
    owe: OweMail
    rate_limiter: RedisRateLimiter
    use_cases: UseCases


@asynccontextmanager
async def open_container(settings: Settings, part: Part) -> AsyncIterator[Container]:
    """Wire a process; what it holds is closed at the end of the block. Connects to nothing yet."""
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        redis = await stack.enter_async_context(_redis(settings.redis_url))
        engine = create_engine(
            settings.database_url,
            pool_size=settings.database_pool_size,
            application_name=f"storyloom {part}",
        )
        stack.push_async_callback(engine.dispose)
        job_queue = ArqQueue(redis)
        event_log = RedisEventLog(redis, clock)
        stack.push_async_callback(event_log.aclose)
        session_ends = RedisSessionEnds(redis, access_life=_sessions(settings).access, clock=clock)
        stack.push_async_callback(session_ends.close)
        passwords = Argon2Passwords(
            memory_kib=settings.argon2_memory_kib, time_cost=settings.argon2_time_cost
        )
        stack.callback(passwords.close)
        codes = RedisCodes(
            redis, pepper=_key(settings.code_pepper), policy=_codes(settings), clock=clock
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
            job_desk=SqlJobDesk(engine, lease=timedelta(seconds=settings.job_lease_seconds)),
            job_queue=job_queue,
            event_log=event_log,
            session_ends=session_ends,
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
                codes=codes,
                owe=owe,
                passwords=passwords,
            ),
        )


def _use_cases(
    settings: Settings,
    *,
    clock: Clock,
    database: SqlDatabase,
    reads: SqlReads,
    event_log: RedisEventLog,
    session_ends: RedisSessionEnds,
    codes: RedisCodes,
    owe: OweMail,
    passwords: Argon2Passwords,
) -> UseCases:
    access_tokens = JwtAccessTokens(
        seed=_key(settings.token_signing_key),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        clock=clock,
    )
    refresh_tokens = OpaqueRefreshTokens()
    token_pairs = TokenPairs(access_tokens, refresh_tokens, _sessions(settings))
    return UseCases(
        sign_up=SignUp(
            database, codes, passwords, PasswordRules(settings.password_min_length), owe, clock
        ),
        verify_otp=VerifyOtp(database, codes, clock),
        resend_otp=ResendOtp(database, codes, owe),
        log_in=LogIn(database, codes, passwords, token_pairs, owe, clock),
        refresh_tokens=RefreshTokens(
            database, refresh_tokens, token_pairs, session_ends, owe, clock
        ),
        log_out=LogOut(database, refresh_tokens, session_ends, clock),
        authenticate=Authenticate(access_tokens, session_ends, reads, clock),
        request_story=RequestStory(
            database, reads, event_log, clock, SystemRandomness(), _quota(settings)
        ),
        cancel_story=CancelStory(database, event_log, clock),
        follow_story=FollowStory(reads, event_log, clock),
        follow_account=FollowAccount(reads, event_log, clock),
    )


@asynccontextmanager
async def _redis(url: str) -> AsyncIterator[Redis]:
    """Open a client that outlives a restart of Redis and never waits long for a silent one."""
    async with Redis.from_url(
        url,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        health_check_interval=30,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=3),
        retry_on_error=[ConnectionLost, TimedOut],
    ) as redis:
        yield redis


def _codes(settings: Settings) -> CodePolicy:
    return CodePolicy(
        digits=settings.code_digits,
        lifetime=timedelta(minutes=settings.code_minutes),
        attempts=settings.code_attempts,
        cooldown=timedelta(seconds=settings.code_cooldown_seconds),
        per_hour=settings.code_per_hour,
        per_day=settings.code_per_day,
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


def _key(secret: SecretStr) -> bytes:
    text = secret.get_secret_value()
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
