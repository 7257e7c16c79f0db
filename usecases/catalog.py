"""Everything the application can do, in one list."""

from dataclasses import dataclass

from usecases.accounts.announce_ends import AnnounceEnds
from usecases.accounts.authenticate import Authenticate
from usecases.accounts.begin_passkey_log_in import BeginPasskeyLogIn
from usecases.accounts.begin_passkey_registration import BeginPasskeyRegistration
from usecases.accounts.begin_totp_enrollment import BeginTotpEnrollment
from usecases.accounts.cancel_account_deletion import CancelAccountDeletion
from usecases.accounts.change_password import ChangePassword
from usecases.accounts.complete_email_change import CompleteEmailChange
from usecases.accounts.complete_log_in import CompleteLogIn
from usecases.accounts.complete_password_reset import CompletePasswordReset
from usecases.accounts.confirm_totp_enrollment import ConfirmTotpEnrollment
from usecases.accounts.disable_totp import DisableTotp
from usecases.accounts.end_other_sessions import EndOtherSessions
from usecases.accounts.end_session import EndSession
from usecases.accounts.erase_accounts import EraseAccounts
from usecases.accounts.export_account_data import ExportAccountData
from usecases.accounts.finish_passkey_log_in import FinishPasskeyLogIn
from usecases.accounts.finish_passkey_registration import FinishPasskeyRegistration
from usecases.accounts.list_sessions import ListSessions
from usecases.accounts.log_in import LogIn
from usecases.accounts.log_out import LogOut
from usecases.accounts.log_out_everywhere import LogOutEverywhere
from usecases.accounts.prove_phone import ProvePhone
from usecases.accounts.refresh_tokens import RefreshTokens
from usecases.accounts.remove_passkey import RemovePasskey
from usecases.accounts.remove_phone import RemovePhone
from usecases.accounts.rename_passkey import RenamePasskey
from usecases.accounts.renew_authentication import RenewAuthentication
from usecases.accounts.renew_recovery_codes import RenewRecoveryCodes
from usecases.accounts.request_account_deletion import RequestAccountDeletion
from usecases.accounts.request_email_change import RequestEmailChange
from usecases.accounts.request_password_reset import RequestPasswordReset
from usecases.accounts.request_phone_code import RequestPhoneCode
from usecases.accounts.resend_otp import ResendOtp
from usecases.accounts.sign_up import SignUp
from usecases.accounts.verify_otp import VerifyOtp
from usecases.administration.appoint_admin import AppointAdmin
from usecases.administration.authorize_admin import AuthorizeAdmin
from usecases.administration.discard_dead_letter import DiscardDeadLetter
from usecases.administration.end_account_sessions import EndAccountSessions
from usecases.administration.find_account import FindAccount
from usecases.administration.list_admins import ListAdmins
from usecases.administration.load_signing_keys import LoadSigningKeys
from usecases.administration.reinstate_account import ReinstateAccount
from usecases.administration.retry_dead_letter import RetryDeadLetter
from usecases.administration.rotate_signing_keys import RotateSigningKeys
from usecases.administration.show_queues import ShowQueues
from usecases.administration.suspend_account import SuspendAccount
from usecases.administration.tend_dead_letters import TendDeadLetters
from usecases.administration.verify_audit_trail import VerifyAuditTrail
from usecases.deliveries.abandon_delivery import AbandonDelivery
from usecases.deliveries.send_delivery import SendDelivery
from usecases.maintenance.sweep import Sweep
from usecases.stories.abandon_story import AbandonStory
from usecases.stories.announce_places import AnnouncePlaces
from usecases.stories.cancel_story import CancelStory
from usecases.stories.follow_account import FollowAccount
from usecases.stories.follow_story import FollowStory
from usecases.stories.request_story import RequestStory
from usecases.stories.show_progress import ShowProgress
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

    list_sessions: ListSessions
    end_session: EndSession
    end_other_sessions: EndOtherSessions
    log_out_everywhere: LogOutEverywhere

    change_password: ChangePassword
    request_password_reset: RequestPasswordReset
    complete_password_reset: CompletePasswordReset
    request_email_change: RequestEmailChange
    complete_email_change: CompleteEmailChange

    request_phone_code: RequestPhoneCode
    prove_phone: ProvePhone
    remove_phone: RemovePhone
    export_account_data: ExportAccountData
    request_account_deletion: RequestAccountDeletion
    cancel_account_deletion: CancelAccountDeletion

    authorize_admin: AuthorizeAdmin
    find_account: FindAccount
    end_account_sessions: EndAccountSessions
    suspend_account: SuspendAccount
    reinstate_account: ReinstateAccount
    retry_dead_letter: RetryDeadLetter
    discard_dead_letter: DiscardDeadLetter

    request_story: RequestStory
    cancel_story: CancelStory
    follow_story: FollowStory
    follow_account: FollowAccount
    show_progress: ShowProgress


@dataclass(frozen=True, slots=True)
class Administration:
    """What operators ask for, by the command `storyloom`."""

    load_signing_keys: LoadSigningKeys
    rotate_signing_keys: RotateSigningKeys
    verify_audit_trail: VerifyAuditTrail
    appoint_admin: AppointAdmin
    list_admins: ListAdmins
    show_queues: ShowQueues
    dead_letters: TendDeadLetters


@dataclass(frozen=True, slots=True)
class Duties:
    """What workers do by themselves."""

    write_story: WriteStory
    abandon_story: AbandonStory
    announce_places: AnnouncePlaces

    erase_accounts: EraseAccounts

    send_delivery: SendDelivery
    abandon_delivery: AbandonDelivery

    announce_ends: AnnounceEnds
    sweep: Sweep
