"""Model text made plain: paragraphs parted by one blank line, without Markdown."""

import re
from typing import Final

from domain.text import scrub

_TOKENS: Final = re.compile(r"\n|[^\S\n]+|\S+")
_HEADING_MARK: Final = re.compile(r"#{1,6}")
_CHAPTER_WORD: Final = re.compile(r"[#*_]*chapter[*_]*", re.IGNORECASE)
_RULE: Final = re.compile(r"[*_=~-]{3,}|\*")
# An emphasis mark stands right before a word or right after one; "5 * 3" and "snake_case" stay.
_OPENING_MARKS: Final = re.compile(r"(?<![\w*_])[*_]{1,3}(?=[^\s*_])")
_CLOSING_MARKS: Final = re.compile(r"(?<=[^\s*_])[*_]{1,3}(?![\w*_])")


class Prose:
    """Cleans a chapter while it streams.

    What is fed comes out again at word boundaries, since a mark, a heading or a line break can be
    cut anywhere. A heading above the first paragraph is dropped (the title is told apart from the
    text), a later one becomes a paragraph; rules (`***`, `* * *`) become paragraph breaks.
    """

    def __init__(self) -> None:
        self._held = ""
        self._begun = False
        self._line_is_new = True
        self._skips_line = False
        self._gap = ""

    def feed(self, piece: str) -> str:
        """Take a piece of raw text and return what of the clean text is certain by now."""
        self._held += piece
        end = max(self._held.rfind(space) for space in " \n\t") + 1
        ready, self._held = self._held[:end], self._held[end:]
        return self._cleaned(ready)

    def close(self) -> str:
        """Return the rest."""
        ready, self._held = self._held, ""
        return self._cleaned(ready)

    def _cleaned(self, raw: str) -> str:
        return "".join(self._cleaned_token(match[0]) for match in _TOKENS.finditer(scrub(raw)))

    def _cleaned_token(self, part: str) -> str:
        if part == "\n":
            self._gap = "\n\n" if self._begun else ""
            self._line_is_new, self._skips_line = True, False
            return ""
        if self._skips_line:
            return ""
        if part.isspace():
            self._gap = self._gap or (" " if self._begun else "")
            return ""
        return self._word(part)

    def _word(self, token: str) -> str:
        is_first, self._line_is_new = self._line_is_new, False
        if is_first and not self._begun and self._is_heading(token):
            self._skips_line = True
            return ""
        if is_first and (_HEADING_MARK.fullmatch(token) or _RULE.fullmatch(token)):
            self._line_is_new = True
            return ""
        word = _CLOSING_MARKS.sub("", _OPENING_MARKS.sub("", token))
        if not word:
            return ""
        gap, self._gap, self._begun = self._gap, "", True
        return gap + word

    @staticmethod
    def _is_heading(token: str) -> bool:
        return bool(_HEADING_MARK.fullmatch(token) or _CHAPTER_WORD.fullmatch(token))
