"""Everything the application can do, in one list."""

from dataclasses import dataclass

from usecases.accounts.authenticate import Authenticate
from usecases.accounts.log_in import LogIn
from usecases.accounts.log_out import LogOut
from usecases.accounts.refresh_tokens import RefreshTokens
from usecases.accounts.resend_otp import ResendOtp
from usecases.accounts.sign_up import SignUp
from usecases.accounts.verify_otp import VerifyOtp
from usecases.deliveries.abandon_delivery import AbandonDelivery
from usecases.deliveries.send_delivery import SendDelivery
from usecases.stories.abandon_story import AbandonStory
from usecases.stories.announce_places import AnnouncePlaces
from usecases.stories.cancel_story import CancelStory
from usecases.stories.follow_account import FollowAccount
from usecases.stories.follow_story import FollowStory
from usecases.stories.request_story import RequestStory
from usecases.stories.write_story import WriteStory


@dataclass(frozen=True, slots=True)
class UseCases:
    """What clients ask for."""

    sign_up: SignUp
    verify_otp: VerifyOtp
    resend_otp: ResendOtp
    log_in: LogIn
    refresh_tokens: RefreshTokens
    log_out: LogOut
    authenticate: Authenticate

    request_story: RequestStory
    cancel_story: CancelStory
    follow_story: FollowStory
    follow_account: FollowAccount


@dataclass(frozen=True, slots=True)
class Duties:
    """What workers do by themselves."""

    write_story: WriteStory
    abandon_story: AbandonStory
    announce_places: AnnouncePlaces

    send_delivery: SendDelivery
    abandon_delivery: AbandonDelivery
