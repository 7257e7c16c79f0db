"""The account use cases on fakes, and how far into an account's life a test begins."""

from dataclasses import dataclass, field

from adapters.tokens import JwtAccessTokens, OpaqueRefreshTokens
from domain.accounts import Account
from domain.deliveries import Delivery, DeliveryKind
from domain.sessions import Device, Session, SessionPolicy
from tests.factories import an_account
from tests.fakes.clock import FakeClock
from tests.fakes.codes import FakeCodes
from tests.fakes.database import FakeDatabase
from tests.fakes.passwords import FakePasswords
from tests.fakes.reads import FakeReads
from tests.fakes.session_ends import FakeSessionEnds
from usecases.accounts.authenticate import Authenticate
from usecases.accounts.log_in import LoggedIn, LogIn
from usecases.accounts.log_out import LogOut
from usecases.accounts.password_rules import PasswordRules
from usecases.accounts.refresh_tokens import RefreshTokens
from usecases.accounts.resend_otp import ResendOtp
from usecases.accounts.sign_up import SignUp
from usecases.accounts.token_pairs import TokenPairs
from usecases.accounts.verify_otp import VerifyOtp
from usecases.deliveries.owe import OweMail

EMAIL = "mira@readers.example"
PASSWORD = "three quiet foxes at sea"
DEVICE = Device(client_address="203.0.113.7", user_agent="Firefox")


@dataclass
class AccountDesk:
    """Everything about accounts, on fakes."""

    clock: FakeClock = field(default_factory=FakeClock)
    passwords: FakePasswords = field(default_factory=FakePasswords)
    session_ends: FakeSessionEnds = field(default_factory=FakeSessionEnds)
    refresh: OpaqueRefreshTokens = field(default_factory=OpaqueRefreshTokens)

    def __post_init__(self) -> None:
        self.database = FakeDatabase(self.clock)
        self.codes = FakeCodes(self.clock)
        self.access = JwtAccessTokens(
            seed=bytes(32), issuer="storyloom", audience="storyloom-api", clock=self.clock
        )
        owe = OweMail(clock=self.clock, sender_domain="storyloom.example")
        pairs = TokenPairs(self.access, self.refresh, SessionPolicy())
        self.sign_up = SignUp(
            self.database, self.codes, self.passwords, PasswordRules(), owe, self.clock
        )
        self.verify_otp = VerifyOtp(self.database, self.codes, self.clock)
        self.resend_otp = ResendOtp(self.database, self.codes, owe)
        self.log_in = LogIn(self.database, self.codes, self.passwords, pairs, owe, self.clock)
        self.refresh_tokens = RefreshTokens(
            self.database, self.refresh, pairs, self.session_ends, owe, self.clock
        )
        self.log_out = LogOut(self.database, self.refresh, self.session_ends, self.clock)
        self.authenticate = Authenticate(
            self.access, self.session_ends, FakeReads(self.database), self.clock
        )

    async def account(self, *, active: bool = True, email: str = EMAIL) -> Account:
        """Store an account with PASSWORD."""
        account = an_account(email=email, password_hash=await self.passwords.hash(PASSWORD))
        if active:
            account.activate(self.clock.now())
        async with self.database.begin() as work:
            await work.accounts.add(account)
        return account

    async def logged_in(self) -> LoggedIn:
        """Begin a session of a new account."""
        await self.account()
        return await self.log_in(email=EMAIL, password=PASSWORD, device=DEVICE)

    @property
    def accounts(self) -> list[Account]:
        """All accounts."""
        return list(self.database.tables.accounts.values())

    @property
    def session(self) -> Session:
        """The only session."""
        [session] = self.database.tables.sessions.values()
        return session

    @property
    def owed(self) -> list[tuple[DeliveryKind, str]]:
        """The mails that are owed: what about, and to whom."""
        return [(mail.kind, mail.recipient) for mail in self.deliveries]

    @property
    def deliveries(self) -> list[Delivery]:
        """The mails that are owed, oldest first."""
        return list(self.database.tables.deliveries.values())
