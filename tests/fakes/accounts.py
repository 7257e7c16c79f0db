"""The account use cases on fakes, and how far into an account's life a test begins."""

from dataclasses import dataclass, field
from datetime import timedelta

from adapters.device_tokens import OpaqueDeviceTokens
from adapters.passkeys import WebAuthnCeremonies
from adapters.recovery_codes import PaperRecoveryCodes
from adapters.tokens import JwtAccessTokens, OpaqueRefreshTokens
from adapters.totp import PyotpTotpCodes
from bootstrap.second_factors import FactorAdapters, factor_use_cases
from domain.accounts import Account
from domain.deliveries import Delivery, DeliveryKind
from domain.devices import DevicePolicy
from domain.sessions import Device, Session, SessionPolicy
from tests.factories import an_account
from tests.fakes.clock import FakeClock
from tests.fakes.codes import FakeCodes
from tests.fakes.database import FakeDatabase
from tests.fakes.keys import FakeKeys
from tests.fakes.lockout import FakeLockout
from tests.fakes.passwords import FakePasswords
from tests.fakes.reads import FakeReads
from tests.fakes.second_factors import FakeFactorTries, FakeLogInTickets, FakePasskeyChallenges
from tests.fakes.session_ends import FakeSessionEnds
from tests.fakes.traces import FakeTraces
from usecases.accounts.authenticate import Authenticate
from usecases.accounts.cancel_account_deletion import CancelAccountDeletion
from usecases.accounts.check_password import CheckPassword
from usecases.accounts.erase_accounts import EraseAccounts
from usecases.accounts.export_account_data import ExportAccountData
from usecases.accounts.known_devices import KnownDevices
from usecases.accounts.log_in import LogIn
from usecases.accounts.log_out import LogOut
from usecases.accounts.open_session import LoggedIn, OpenSession
from usecases.accounts.password_rules import PasswordRules
from usecases.accounts.prove_phone import ProvePhone
from usecases.accounts.reauthenticate import Reauthenticate
from usecases.accounts.refresh_tokens import RefreshTokens
from usecases.accounts.remove_phone import RemovePhone
from usecases.accounts.request_account_deletion import RequestAccountDeletion
from usecases.accounts.request_phone_code import RequestPhoneCode
from usecases.accounts.resend_otp import ResendOtp
from usecases.accounts.revocation import Revocation
from usecases.accounts.sign_up import SignUp
from usecases.accounts.token_pairs import TokenPairs
from usecases.accounts.verify_otp import VerifyOtp
from usecases.deliveries.owe import OweMail

EMAIL = "mira@readers.example"
PASSWORD = "three quiet foxes at sea"
PASSKEY_DOMAIN = "stories.example"
PASSKEY_ORIGIN = "https://app.stories.example"
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
            keys=FakeKeys(), issuer="storyloom", audience="storyloom-api", clock=self.clock
        )
        owe = OweMail(clock=self.clock, sender_domain="storyloom.example")
        pairs = TokenPairs(self.access, self.refresh, SessionPolicy())
        self.sign_up = SignUp(
            self.database, self.codes, self.passwords, PasswordRules(), owe, self.clock
        )
        self.verify_otp = VerifyOtp(self.database, self.codes, self.clock)
        self.resend_otp = ResendOtp(self.database, self.codes, owe)
        self.tries = FakeFactorTries(self.clock)
        self.factors = FactorAdapters(
            totp_codes=PyotpTotpCodes(key=bytes(32), clock=self.clock),
            recovery_codes=PaperRecoveryCodes(),
            tries=self.tries,
            tickets=FakeLogInTickets(self.clock),
            challenges=FakePasskeyChallenges(self.clock),
            ceremonies=WebAuthnCeremonies(domain=PASSKEY_DOMAIN, origins=[PASSKEY_ORIGIN]),
        )
        self.lockout = FakeLockout(self.clock)
        self.known_devices = KnownDevices(OpaqueDeviceTokens(), owe, self.clock, DevicePolicy())
        self.check_password = CheckPassword(self.database, self.passwords, self.lockout)
        self.reauthenticate = Reauthenticate(self.database, self.check_password, self.lockout)
        open_session = OpenSession(pairs, self.known_devices, self.clock)
        self.log_in = LogIn(
            self.database,
            self.codes,
            self.passwords,
            self.check_password,
            self.lockout,
            self.known_devices,
            self.factors.tickets,
            open_session,
            owe,
        )
        self.second_factors = factor_use_cases(
            self.factors,
            database=self.database,
            open_session=open_session,
            reauthenticate=self.reauthenticate,
            owe=owe,
            clock=self.clock,
        )
        self.refresh_tokens = RefreshTokens(
            self.database, self.refresh, pairs, self.session_ends, owe, self.clock
        )
        self.log_out = LogOut(self.database, self.refresh, self.session_ends, self.clock)
        self.authenticate = Authenticate(
            self.access, self.session_ends, FakeReads(self.database), self.clock
        )

        revocation = Revocation(self.database, self.session_ends, self.clock)
        self.request_phone_code = RequestPhoneCode(
            self.reauthenticate, self.database, self.codes, owe, is_offered=True
        )
        self.prove_phone = ProvePhone(self.database, self.codes, owe, self.clock)
        self.remove_phone = RemovePhone(self.reauthenticate, self.database, owe)
        self.export_account_data = ExportAccountData(self.reauthenticate, self.database, self.clock)
        self.request_account_deletion = RequestAccountDeletion(
            self.reauthenticate,
            self.database,
            revocation,
            owe,
            self.clock,
            grace=timedelta(days=14),
        )
        self.cancel_account_deletion = CancelAccountDeletion(self.database)
        self.traces = FakeTraces()
        self.erase_accounts = EraseAccounts(self.database, revocation, self.traces, owe, self.clock)

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
