"""Go on with an account whose password was checked a moment ago."""

from domain.accounts import Account
from domain.refusals import WrongCredentials
from usecases.accounts.reauthenticate import PASSWORD
from usecases.ports.transactions import Work


async def lock_unchanged(work: Work, checked: Account) -> Account:
    """Return the account as it is now, held until the transaction ends.

    Raises WrongCredentials where its password was changed since: the one checked is the old one.
    """
    return unchanged(await work.accounts.lock(checked.id), checked)


def unchanged(stored: Account | None, checked: Account) -> Account:
    """Return the stored account. Raises WrongCredentials where its password is another one now."""
    if stored is None or stored.password_hash != checked.password_hash:
        raise WrongCredentials(path=PASSWORD)
    return stored
