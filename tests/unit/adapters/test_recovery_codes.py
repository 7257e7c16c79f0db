"""Recovery codes: how they look, and that people's ways of writing them down do no harm."""

import re
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from adapters.recovery_codes import ALPHABET, PaperRecoveryCodes

CODES = PaperRecoveryCodes()
ACCOUNT = uuid4()


def test_a_code_has_120_bits_in_groups_that_can_be_read() -> None:
    drawn = [CODES.draw() for _ in range(1000)]
    assert len(set(drawn)) == 1000
    for code in drawn:
        assert re.fullmatch(rf"(?:[{ALPHABET}]{{4}}-){{5}}[{ALPHABET}]{{4}}", code)
    assert len(ALPHABET) == len(set(ALPHABET)) == 32
    assert set("".join(drawn)) == {*ALPHABET, "-"}


@given(code=st.text(ALPHABET, min_size=24, max_size=24), data=st.data())
def test_it_is_the_same_however_it_is_written(code: str, data: st.DataObject) -> None:
    written = "".join(data.draw(st.sampled_from(_ways(character))) for character in code)
    assert CODES.digest(ACCOUNT, written) == CODES.digest(ACCOUNT, code)


def _ways(character: str) -> list[str]:
    alike = {"0": ["0", "O", "o"], "1": ["1", "I", "i", "l", "L"]}
    ways = alike.get(character, [character, character.lower()])
    return [way + gap for way in ways for gap in ("", "-", " ", " \u2013 ")]


def test_the_digest_hangs_on_the_account() -> None:
    code = CODES.draw()
    assert CODES.digest(ACCOUNT, code) != CODES.digest(uuid4(), code)
    assert len(CODES.digest(ACCOUNT, code)) == 32


@given(st.text())
def test_anything_can_be_digested(text: str) -> None:
    CODES.digest(ACCOUNT, text)
    CODES.digest(ACCOUNT, "\ud800" + text)
