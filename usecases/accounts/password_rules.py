"""Which passwords are good enough (OWASP ASVS 5.0, 6.2; NIST SP 800-63B)."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from zxcvbn_rs_py import zxcvbn

from domain.refusals import InputIssue, Path

LONGEST = 128
"""Longer ones are refused, never cut."""

ENOUGH_GUESSES = 10**8
"""zxcvbn's score 3: out of reach for guessing online, and dear to guess against Argon2id."""

PLAIN_LETTERS = str.maketrans("@({[<!|$+%", "accccilstx")
"""Substitutions that every cracker tries.

They are undone before the estimate, which stays the same: looking for them takes zxcvbn 600 ms for
a password made of nothing else, and 10 ms without.
"""

SHORTEST_WORD = 3
MOST_WORDS = 20


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """Length and strength; no rules of composition."""

    shortest: int = 12

    def issues(
        self, password: str, *, email: str, name: str, path: Path = ("input", "password")
    ) -> list[InputIssue]:
        """Tell what is wrong with a new password of the person with that address and name."""
        password = unicodedata.normalize("NFC", password[: 2 * LONGEST])
        fault = self._fault(password, [*_words(email.rpartition(".")[0]), *_words(name)])
        return [InputIssue(path, *fault)] if fault else []

    def _fault(self, password: str, known: list[str]) -> tuple[str, str] | None:
        if len(password) < self.shortest:
            return "password_too_short", f"Must have at least {self.shortest} characters."
        if len(password) > LONGEST:
            return "password_too_long", f"Must have at most {LONGEST} characters."
        if any(unicodedata.category(character) == "Cs" for character in password):
            return "password_not_text", "Must be text."
        if _guesses(password) < ENOUGH_GUESSES:
            return "password_too_common", "Is too easy to guess: take a few uncommon words."
        if _guesses(_without(known, password)) < ENOUGH_GUESSES:
            return "password_like_account", "Is too much like the address or the name."
        return None


def _guesses(password: str) -> int:
    return zxcvbn(password.translate(PLAIN_LETTERS)).guesses


def _words(text: str) -> Iterator[str]:
    words = re.findall(r"[^\W_]+", text[:400])
    return (word for word in words[:MOST_WORDS] if len(word) >= SHORTEST_WORD)


def _without(words: list[str], password: str) -> str:
    """Leave out what anybody who knows the person would try first."""
    if not words:
        return password
    longest_first = sorted(words, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), "", password, flags=re.IGNORECASE)
