"""Devices are told in words that their owners know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.device_names import UNKNOWN, UserAgentDeviceNames

NAMES = UserAgentDeviceNames()
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
)
MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
            "Firefox on Linux",
        ),
        (IPHONE, "Safari on iOS"),
        (MAC, "Chrome on macOS"),
        ("StoryloomApp/1.2", "StoryloomApp"),
        ("curl/8.1", "curl"),
        ("<b>bold</b>", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_a_device_is_told_in_words(user_agent: str, name: str) -> None:
    assert NAMES.name(user_agent) == name


@given(st.text(max_size=256))
def test_whatever_a_caller_says_has_a_short_name(user_agent: str) -> None:
    assert 0 < len(NAMES.name(user_agent)) <= 300
