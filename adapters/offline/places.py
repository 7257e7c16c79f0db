"""Where a story happens: the reader's words for it, and the world they name."""

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from adapters.offline.english import is_determined, is_plural, with_article
from adapters.offline.material import World

_PLACED: Final = re.compile(
    r"(?:in|on|at|under|near|by|inside|beneath|over|aboard|beyond|behind|above|below|beside|"
    r"between|among|deep|somewhere|far|high|off|outside|around|across|within|along)\b",
    re.IGNORECASE,
)
_ON: Final = re.compile(
    r"\b(?:island|moon|planet|beach|farm|hill|mountain|ship|boat|train|roof|station|mars|street|"
    r"stage|coast|cliff|cloud|raft|plane|spaceship|asteroid|shore)\b",
    re.IGNORECASE,
)
_AT: Final = re.compile(
    r"\b(?:sea|school|seaside|home|crossroads|circus|fair|zoo|airport)\b", re.IGNORECASE
)
_NO_ARTICLE: Final = frozenset({"space", "school", "home", "outer space", "heaven", "town"})


def whereabouts(setting: str) -> str:
    """Turn a reader's setting into `in a forest`, `on the moon`, `in Paris`."""
    if _PLACED.match(setting):
        return setting
    head = re.split(r"\s(?:of|with|by|in|on|at|near|where|that|full|under)\b", setting, maxsplit=1)[
        0
    ]
    preposition = "at" if _AT.search(head) else "on" if _ON.search(head) else "in"
    # A capital letter means a proper name, except at the start of a phrase such as `Haunted house`.
    is_named = head[0].isupper() and (" " not in head or head.split()[1][0].isupper())
    needs_article = not (
        is_determined(setting)
        or is_named
        or setting.lower() in _NO_ARTICLE
        or not (setting[0].isalpha() and setting.isascii())
        or is_plural(head.split()[-1])
    )
    return f"{preposition} {with_article(setting) if needs_article else setting}"


def world_for(
    worlds: Mapping[str, World], hints: Sequence[str | None], chance: Random, usual: Sequence[str]
) -> World:
    """Choose the world whose keywords the first telling hint names; else one that is usual."""
    for hint in hints:
        words = set(re.findall(r"[\w'-]+", (hint or "").lower()))
        scores = {
            name: sum(
                set(keyword.split()) <= words or f"{keyword}s" in words
                for keyword in world.keywords
            )
            for name, world in worlds.items()
        }
        best = max(scores.values())
        if best:
            return worlds[chance.choice([name for name in scores if scores[name] == best])]
    return worlds[chance.choice(usual)]
