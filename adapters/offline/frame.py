"""The frame of a story: what is decided before its first sentence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from adapters.offline.cast import Cast, cast_for
from adapters.offline.english import sentence
from adapters.offline.grammar import Avoided, Bag, Speaker
from adapters.offline.material import Custom, Lore, Plot, Voice
from adapters.offline.places import whereabouts, world_for
from domain.briefs import AgeBand, Genre, StoryBrief

_RICHNESS: Final = {
    AgeBand.TODDLER: 0.0,
    AgeBand.PRESCHOOL: 0.15,
    AgeBand.EARLY_READER: 0.45,
    AgeBand.MIDDLE_GRADE: 0.8,
    AgeBand.TEEN: 0.95,
    AgeBand.ADULT: 1.0,
}

_USUAL_GENRES: Final = {
    AgeBand.TODDLER: (Genre.BEDTIME, Genre.ANIMAL_TALE),
    AgeBand.PRESCHOOL: (Genre.BEDTIME, Genre.ANIMAL_TALE, Genre.FAIRY_TALE),
    AgeBand.EARLY_READER: (Genre.ADVENTURE, Genre.ANIMAL_TALE, Genre.FAIRY_TALE),
    AgeBand.MIDDLE_GRADE: (Genre.ADVENTURE, Genre.FANTASY, Genre.MYSTERY),
    AgeBand.TEEN: (Genre.ADVENTURE, Genre.FANTASY, Genre.MYSTERY),
    AgeBand.ADULT: (Genre.MYSTERY, Genre.SLICE_OF_LIFE, Genre.FANTASY),
}

_STORY_LONG: Final = (
    "object",
    "keeper",
    "feast",
    "beacon",
    "far",
    "hurdle",
    "stranger",
    "landmark",
    "shelter",
    "snack",
)
"""What is the same thing throughout the plot."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Who takes part, what happens, in which voice, and who tells it in which words."""

    cast: Cast
    plot: Plot
    voice: Voice
    speaker: Speaker


def frame_for(brief: StoryBrief, store: Lore, chance: Random) -> Frame:
    """Take what the brief says, and choose what it leaves open."""
    genre = brief.genre or chance.choice(_USUAL_GENRES[brief.audience])
    custom = store.genres[genre]
    choice = _Choice(brief, store, chance, custom)
    cast = cast_for(brief, custom, store.names, chance)
    plot = choice.plot()
    voice = store.voices[brief.tone or custom.tone]
    return Frame(cast, plot, voice, choice.speaker(cast, plot))


@dataclass(frozen=True, slots=True)
class _Choice:
    """Chooses for one brief."""

    brief: StoryBrief
    store: Lore
    chance: Random
    custom: Custom

    def plot(self) -> Plot:
        """Take the plot that the wishes hint at, else one that suits the genre."""
        brief = self.brief
        wished = " ".join(filter(None, (brief.idea, brief.moral, *brief.themes))).lower()
        words = set(re.findall(r"\w+", wished))
        avoided = Avoided.of(brief.avoid)
        plots = {
            name: plot
            for name, plot in self.store.plots.items()
            if not any(all(map(avoided.holds, step.core)) for step in plot.steps.values())
        } or self.store.plots
        scores = {
            name: len(words & set(plot.keywords)) + (name in self.custom.plots) / 2
            for name, plot in plots.items()
        }
        best = max(scores.values())
        return plots[self.chance.choice([name for name in scores if scores[name] == best])]

    def speaker(self, cast: Cast, plot: Plot) -> Speaker:
        brief, chance = self.brief, self.chance
        avoided = Avoided.of(brief.avoid)
        world = world_for(
            self.store.worlds,
            (brief.setting, brief.idea, " ".join(brief.themes)),
            chance,
            self.custom.worlds,
        )
        wonder = world.creature if self.custom.wonder else ()
        nouns: dict[str, Sequence[str]] = {
            **{
                name: (*lines, *self.store.anywhere.get(name, ()))
                for name, lines in world.model_dump().items()
            },
            "helper": (*world.stranger, *wonder),
            "object": self._treasures(plot),
            "keeper": self.custom.keeper,
            "feast": self._feasts(),
        }
        # A story about an owl has no other owl passing by.
        taken = Avoided.of(person.role.split()[-1] for person in brief.characters if person.role)
        bags = {
            name: Bag(
                chance,
                [line for line in lines if not (avoided.holds(line) or taken.holds(line))]
                or [line for line in lines if not avoided.holds(line)]
                or lines,
            )
            for name, lines in nouns.items()
        }
        fixed = {name: bags[name].draw() for name in _STORY_LONG}
        fixed["guest"] = re.split(r" (?:who|with|from|of|that) ", fixed["keeper"])[0].split()[-1]
        setting = whereabouts(brief.setting) if brief.setting else bags["settings"].draw()
        moral = brief.moral or chance.choice(plot.moral)
        verbatim = {
            "hero": cast.hero.name,
            "friends": cast.friends,
            "where": setting,
            "moral": sentence(moral),
        }
        return Speaker(chance, _RICHNESS[brief.audience], avoided, bags, verbatim, fixed)

    @property
    def _wished(self) -> list[str]:
        """The words of the reader's own idea and themes."""
        wished = " ".join(filter(None, (self.brief.idea, *self.brief.themes)))
        return re.findall(r"\w+", wished.lower())

    def _treasures(self, plot: Plot) -> Sequence[str]:
        """Return what may be precious: a thing the wishes name, if there is one that fits."""
        names = self.store.names
        fitting = names.instruments if plot.object else names.treasures
        named = [word for word in self._wished if word in fitting]
        return named[:1] or plot.object or self.custom.object

    def _feasts(self) -> Sequence[str]:
        """Return what may be celebrated: an occasion the wishes name, if there is one."""
        names = self.store.names
        named = [names.occasions[word] for word in self._wished if word in names.occasions]
        return named[:1] or names.feast
