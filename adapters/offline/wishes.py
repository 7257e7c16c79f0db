"""The free parts of a wish, idea, themes and moral, made fit for a sentence."""

import re
from random import Random
from typing import Final

from adapters.offline.english import listed, sentence

_STORY_ABOUT: Final = re.compile(
    r"(?:please\s+)?(?:(?:can|could) you\s+)?(?:(?:write|tell|make)\s+)?(?:(?:me|us)\s+)?"
    r"(?:i(?:'d| would)? (?:want|like|love)\s+)?(?:an?|the)\s+(?:[\w-]+\s+){0,2}"
    r"(?:story|tale|adventure)\s+(?P<link>about|of|in which|where)\s+(?P<rest>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_QUOTES: Final = (
    "The wish was this: \u201c{idea}\u201d And this is the story that came of it.",
    "Somebody once wished for a story and said: \u201c{idea}\u201d Here it is.",
    "\u201c{idea}\u201d That is how it was ordered, and this is how it was told.",
)
_ABOUT: Final = ("This is a story {link} {rest}", "Listen to a story {link} {rest}")
_THEMES: Final = (
    "It is a story about {themes}, though nobody in it knew that yet.",
    "If you ask what it is about, the short answer is: {themes}.",
    "It has a good deal to do with {themes}, as will be seen.",
    "Keep one thing in mind while you listen: {themes}.",
    "You will find {themes} in it, sometimes where one would not look.",
    "Somebody asked for a story about {themes}, and this one put its hand up.",
    "Whatever else happens in it, remember {themes}.",
)


def idea_sentence(idea: str, most_words: int, chance: Random) -> str:
    """Weave the reader's idea in, in the reader's words, cut after `most_words`."""
    words = idea.split()
    text = " ".join(words)
    if len(words) > most_words:
        text = " ".join(words[:most_words]).rstrip(".,;:!?") + "\u2026"
    if match := _STORY_ABOUT.fullmatch(text):
        frame = chance.choice(_ABOUT)
        return sentence(frame.format(link=match["link"].lower(), rest=match["rest"]))
    return chance.choice(_QUOTES).format(idea=sentence(text))


def theme_sentence(themes: tuple[str, ...], chance: Random) -> str:
    """Say what it is about."""
    return chance.choice(_THEMES).format(themes=listed(themes))
