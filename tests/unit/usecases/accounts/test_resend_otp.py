"""Asking for another code."""

from datetime import timedelta
from uuid import uuid4

import pytest

from domain.codes import Challenge
from domain.deliveries import DeliveryKind
from domain.refusals import CodeExpired, RateLimited
from tests.fakes.accounts import EMAIL, PASSWORD, AccountDesk

MINUTE = timedelta(minutes=1)


async def signed_up(desk: AccountDesk) -> Challenge:
    return await desk.sign_up(email=EMAIL, password=PASSWORD, display_name="Mira")


async def test_another_code_is_owed_for_the_same_challenge(desk: AccountDesk) -> None:
    first = await signed_up(desk)
    desk.clock.advance(MINUTE)
    again = await desk.resend_otp(first.id)
    assert (again.id, again.resend_at) == (first.id, desk.clock.now() + MINUTE)
    assert desk.owed == [(DeliveryKind.SIGN_UP_CODE, EMAIL)] * 2
    assert len({mail.event_key for mail in desk.deliveries}) == 2


async def test_the_owner_of_an_address_in_use_is_told_again(desk: AccountDesk) -> None:
    await desk.account()
    decoy = await signed_up(desk)
    desk.clock.advance(MINUTE)
    again = await desk.resend_otp(decoy.id)
    assert (again.id, again.resend_at) == (decoy.id, desk.clock.now() + MINUTE)
    assert desk.owed == [(DeliveryKind.ADDRESS_IN_USE, EMAIL)] * 2


@pytest.mark.parametrize("is_known", [False, True])
async def test_too_early_is_refused_and_nothing_is_owed(
    desk: AccountDesk, *, is_known: bool
) -> None:
    if is_known:
        await desk.account()
    challenge = await signed_up(desk)
    desk.clock.advance(timedelta(seconds=20))
    with pytest.raises(RateLimited) as refused:
        await desk.resend_otp(challenge.id)
    assert refused.value.retry_after == 40
    assert len(desk.deliveries) == 1


async def test_who_has_lost_the_address_to_its_owner_causes_no_code(desk: AccountDesk) -> None:
    challenge = await signed_up(desk)
    await desk.account()
    desk.clock.advance(MINUTE)
    await desk.resend_otp(challenge.id)
    assert desk.owed[1:] == [(DeliveryKind.ADDRESS_IN_USE, EMAIL)]


async def test_an_unknown_challenge_has_expired(desk: AccountDesk) -> None:
    with pytest.raises(CodeExpired):
        await desk.resend_otp(uuid4())
