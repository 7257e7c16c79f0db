"""Who takes part: the reader's characters by their names, roles and traits, and whom we add."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from adapters.offline.english import is_determined, is_plural, listed, with_article
from adapters.offline.grammar import Avoided
from adapters.offline.material import Custom, Names
from domain.briefs import Character, StoryBrief

_ADJECTIVE_ENDINGS: Final = (
    "ful",
    "ous",
    "less",
    "ive",
    "able",
    "ible",
    "ish",
    "ical",
    "-witted",
    "-hearted",
    "-minded",
)
_LEADING_ROLES: Final = re.compile(
    r"(?:the )?(?:hero|heroine|main character|protagonist|lead)", re.IGNORECASE
)

# Ways to present somebody. {traits} after a colon may be anything: adjectives, nouns, clauses.
_BOTH_ADJECTIVES: Final = (
    "{name}, {role}, was {traits}.",
    "There was {name}, {role}, who was {traits}.",
    "{name} was {role}, and {traits} besides.",
    "Everyone knew {name}, {role}; few were as {traits}.",
    "As for {name}, {role}: {traits}, no doubt about it.",
)
_BOTH: Final = (
    "There was {name}, {role}: {traits}, as everyone said.",
    "Ask anyone about {name}, {role}, and one heard it at once: {traits}.",
    "{name} was {role}, and if there had been a sign, it would have said: {traits}.",
    "What people said of {name}, {role}, was always the same: {traits}.",
    "As for {name}, {role}: {traits}, and everybody knew it.",
)
_ROLE: Final = (
    "{name} was {role}.",
    "There was {name}, {role}.",
    "Everyone knew {name}, {role}.",
    "To be exact, {name} was {role}.",
    "{name}, it should be said, was {role}.",
)
_ADJECTIVES: Final = (
    "{name} was {traits}.",
    "Of {name} it was said: {traits}, through and through.",
    "Few were as {traits} as {name}.",
    "{name}, for one, was {traits}.",
    "And {name} was {traits}, as anybody could see.",
)
_TRAITS: Final = (
    "Ask anyone about {name}, and one heard it at once: {traits}.",
    "What people said of {name} was always the same: {traits}.",
    "If {name} had carried a sign, it would have read: {traits}.",
    "As for {name}: {traits}, and everybody knew it.",
    "To know {name} was to know this: {traits}.",
)
_RIVAL: Final = (
    "Only {name} stood apart and hoped that it would all go wrong.",
    "{name} alone looked on from afar and did not wish them well.",
    "But {name} had other plans, and kept out of sight.",
)
_RECONCILED: Final = (
    "Even {name} came in the end, and nobody sent {name} away.",
    "{name} had watched it all, and now came forward and asked to be forgiven.",
    "And {name}? There was a place for {name} too, and it was taken, after some hesitation.",
)


@dataclass(frozen=True, slots=True)
class Cast:
    """The hero, those who go along, and those who are against it."""

    hero: Character
    allies: tuple[Character, ...]
    rivals: tuple[Character, ...]

    @property
    def friends(self) -> str:
        """The allies' names, as a list."""
        return listed([ally.name for ally in self.allies])


def cast_for(brief: StoryBrief, custom: Custom, names: Names, chance: Random) -> Cast:
    """Take the brief's characters, and invent a hero or a companion where there is none."""
    avoided = Avoided.of(brief.avoid)
    rivals = [person for person in brief.characters if _is_rival(person, names)]
    friendly = [person for person in brief.characters if person not in rivals]
    taken = {person.name.lower() for person in brief.characters}

    def invent(pool: Sequence[str], roles: Sequence[str]) -> Character:
        free = [name for name in pool if name.lower() not in taken and not avoided.holds(name)]
        name = chance.choice(free or list(pool))
        role = chance.choice([role for role in roles if not avoided.holds(role)] or [None])
        return Character(name=name, role=role)

    hero = friendly[0] if friendly else invent(names.hero, custom.hero)
    allies = friendly[1:] or [invent(names.friend, custom.companion)]
    return Cast(hero, tuple(allies), tuple(rivals))


def _is_rival(person: Character, names: Names) -> bool:
    role = (person.role or "").lower()
    return any(re.search(rf"\b{word}\b", role) for word in names.rivals)


class Introductions:
    """Presents each character once, each in another way."""

    def __init__(self, cast: Cast, names: Names, chance: Random) -> None:
        self._cast = cast
        self._names = names
        self._chance = chance
        self._used: set[str] = set()

    def present(self, person: Character) -> str:
        """Say who somebody is, or nothing where the brief does not say."""
        role, traits = self._role(person), listed(person.traits) if person.traits else ""
        are_adjectives = all(self._is_adjective(trait) for trait in person.traits)
        if role and traits:
            frames = _BOTH_ADJECTIVES if are_adjectives else _BOTH
        elif traits:
            frames = _ADJECTIVES if are_adjectives else _TRAITS
        elif role:
            frames = _ROLE
        else:
            return ""
        return self._fresh(frames).format(name=person.name, role=role, traits=traits)

    def oppose(self, rival: Character) -> str:
        """Say that somebody is against it."""
        role = f", {self._role(rival)}," if rival.role else ""
        against = self._fresh(_RIVAL).format(name=f"{rival.name}{role}")
        traits = self.present(Character(name=rival.name, traits=rival.traits))
        return f"{against} {traits}".rstrip()

    def reconcile(self, rival: Character) -> str:
        """Say that somebody is against it no more."""
        return self._fresh(_RECONCILED).format(name=rival.name)

    def _fresh(self, frames: Sequence[str]) -> str:
        left = [frame for frame in frames if frame not in self._used] or list(frames)
        frame = self._chance.choice(left)
        self._used.add(frame)
        return frame

    def _role(self, person: Character) -> str:
        role = person.role or ""
        if not role or _LEADING_ROLES.fullmatch(role):
            return role and f"the {role.removeprefix('the ').removeprefix('The ')} of this story"
        if role.lower() in self._names.relations and person is not self._cast.hero:
            return f"{self._cast.hero.name}\u2019s {role}"
        if is_determined(role) or role[0].isupper() or is_plural(role.split()[-1]):
            return role
        return with_article(role) if role[0].isalnum() else role

    def _is_adjective(self, trait: str) -> bool:
        word = trait.lower()
        return " " not in word and (
            word in self._names.adjectives or word.endswith(_ADJECTIVE_ENDINGS)
        )
