"""The store of words: everything in `lore/`, read once and checked."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from domain.briefs import Genre, Tone
from domain.entity import Value

_LORE: Final = Path(__file__).parent / "lore"

Lines = tuple[str, ...]
Phase = Literal["everyday", "preparing", "journey", "night", "return"]
STEPS: Final = (
    "spark",
    "decision",
    "obstacle",
    "attempt1",
    "attempt2",
    "turn",
    "climax",
    "resolution",
)
"""The steps of every plot, in their order."""


class World(Value):
    """What a kind of place holds."""

    keywords: Lines
    settings: Lines
    path: Lines
    landmark: Lines
    shelter: Lines
    height: Lines
    creature: Lines
    stranger: Lines
    sound: Lines
    smell: Lines
    sight: Lines
    snack: Lines
    hurdle: Lines
    weather: Lines
    beacon: Lines
    far: Lines


class Custom(Value):
    """What a genre brings along."""

    wonder: bool
    tone: Tone
    worlds: Lines
    plots: Lines
    object: Lines
    keeper: Lines
    hero: Lines
    companion: Lines


class Beat(Value):
    """A step of a story: its one sentence, and how it is told in full."""

    titles: Lines
    core: Lines
    more: Lines


class Plot(Value):
    """What happens in a story."""

    keywords: Lines
    titles: Lines
    moral: Lines
    object: Lines = ()
    """What is precious in this plot, where the genre's things would not do."""
    steps: dict[str, Beat]


class Voice(Value):
    """How a tone sounds."""

    opening: Lines
    remark: Lines
    closing: Lines


class Names(Value):
    """Names and word lists."""

    hero: Lines
    friend: Lines
    feast: Lines
    relations: frozenset[str]
    rivals: Lines
    treasures: frozenset[str]
    instruments: frozenset[str]
    occasions: dict[str, str]
    adjectives: frozenset[str]


class Scene(Value):
    """Something that can happen in a phase of any story."""

    phase: Phase
    text: str


class Lore(Value):
    """All of it."""

    worlds: dict[str, World]
    anywhere: dict[str, Lines]
    genres: dict[Genre, Custom]
    plots: dict[str, Plot]
    beats: dict[str, Beat]
    brief: dict[str, str]
    voices: dict[Tone, Voice]
    names: Names
    scenes: tuple[Scene, ...]
    moments: Lines


@cache
def lore() -> Lore:
    """Return the store. It is the same for every story."""
    worlds = _read("worlds")
    beats = _read("beats")
    scenes = _read("scenes")
    return TypeAdapter(Lore).validate_python(
        {
            "anywhere": worlds.pop("anywhere"),
            "worlds": worlds,
            "genres": _read("genres"),
            "plots": {name: _plot(entry) for name, entry in _read("plots").items()},
            "brief": beats.pop("brief"),
            "beats": beats,
            "voices": _read("voices"),
            "names": _read("names"),
            "scenes": scenes["scene"],
            "moments": scenes["moments"]["text"],
        }
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_LORE / f"{name}.toml").read_text(encoding="utf-8"))


def _plot(entry: Mapping[str, Any]) -> dict[str, Any]:
    plot = {key: value for key, value in entry.items() if key not in STEPS}
    return {**plot, "steps": {step: entry[step] for step in STEPS}}
