"""Devices in words, by the rules of the uap-core project."""

import re

from ua_parser import parse

UNKNOWN = "Unknown device"

FAMILIAR = {"Mac OS X": "macOS"}
"""How people call what the rules call otherwise."""

PRODUCT = re.compile(r"([A-Za-z][\w.+-]{0,39})(?:/|\s|$)", re.ASCII)
"""The first product of a user agent (RFC 9110, 10.1.5): an app of its own has no rule."""


class UserAgentDeviceNames:
    """Implements `DeviceNames`. What a user agent says is a hint: callers may say anything."""

    def __init__(self) -> None:
        parse("")  # compiles the rules, which takes a tenth of a second: now, not in a request

    def name(self, user_agent: str) -> str:
        """Return what a user agent says of itself, like "Firefox on Linux"."""
        found = parse(user_agent)
        product = PRODUCT.match(user_agent)
        browser = found.user_agent.family if found.user_agent else product and product[1]
        system = FAMILIAR.get(found.os.family, found.os.family) if found.os else None
        if browser and system and browser != system:
            return f"{browser.removeprefix('Mobile ')} on {system}"
        return browser or system or UNKNOWN
