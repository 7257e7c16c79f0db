"""A chapter's text while it comes: cleaned piece by piece, into what will be stored."""

import re
import unicodedata

from domain.text import BIDI_CONTROLS

_RUNS = re.compile(r"[ \t\n]+|[^ \t\n]+")


class Manuscript:
    """Cleans text that arrives in pieces; however it is cut, the same text comes out.

    What comes out is in NFC and without the characters that `domain.text.scrub` drops. Spaces are
    folded: to a blank line where there were two line ends or more, to one line end, or to one
    space. It begins and ends with something to read. What can still change with the next piece is
    held back: the last letter, which an accent may follow, and spaces, which may be the last.
    """

    def __init__(self) -> None:
        self._letter = ""
        self._gap = ""
        self._begun = False

    def add(self, piece: str) -> str:
        """Take a piece; return the text that is settled by it."""
        raw = self._letter + "".join(filter(_has_place, piece))
        edge = next((i for i in range(len(raw) - 1, 0, -1) if _begins_letter(raw[i])), 0)
        self._letter = raw[edge:]
        return self._settle(raw[:edge])

    def end(self) -> str:
        """Return what was held back, now that nothing follows."""
        last, self._letter = self._letter, ""
        return self._settle(last)

    def _settle(self, raw: str) -> str:
        settled = []
        for run in _RUNS.findall(unicodedata.normalize("NFC", raw)):
            if run[0] in " \t\n":
                self._gap += run
                continue
            if self._begun and self._gap:
                settled.append("\n" * min(2, self._gap.count("\n")) or " ")
            settled.append(run)
            self._gap, self._begun = "", True
        return "".join(settled)


def _has_place(character: str) -> bool:
    return character in "\n\t" or (
        character not in BIDI_CONTROLS and unicodedata.category(character) not in {"Cc", "Cs"}
    )


def _begins_letter(character: str) -> bool:
    """Whether normalisation never joins a character to the one before it.

    Marks may join, and so may the vowels and finals of Hangul (Unicode Standard Annex 15).
    """
    return not (unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff")
