"""The account use cases on fakes."""

import pytest

from tests.fakes.accounts import AccountDesk


@pytest.fixture
def desk() -> AccountDesk:
    return AccountDesk()
