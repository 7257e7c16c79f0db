"""Composes a whole story: the same one for the same brief and seed, and of the asked length.

A story is twelve beats. Each has one sentence that must be told (its core), so that the shortest
story is whole; the rest of the length is shared out among the beats, which spend it first on their
own step of the plot, then on scenes, then on moments.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

from adapters.offline.cast import Introductions
from adapters.offline.english import listed, title_case
from adapters.offline.frame import frame_for
from adapters.offline.grammar import Avoided, Bag, Speaker, Unspeakable
from adapters.offline.material import STEPS, Beat, Lore, Phase, lore
from adapters.offline.passages import SCENES, Passage
from adapters.offline.wishes import idea_sentence, theme_sentence
from domain.briefs import StoryBrief
from domain.text import count_words

BEATS: Final = (
    "opening",
    "companions",
    "spark",
    "decision",
    "obstacle",
    "attempt1",
    "attempt2",
    "low",
    "turn",
    "climax",
    "resolution",
    "echo",
)

_SALIENCE: Final = (
    "spark",
    "climax",
    "attempt1",
    "obstacle",
    "low",
    "decision",
    "turn",
    "attempt2",
    "resolution",
    "companions",
    "echo",
    "opening",
)
"""Which beat of a chapter names it."""

_DISPENSABLE: Final = ("attempt2", "obstacle", "low", "decision", "turn")
"""What a very short story leaves out first."""

_WEIGHTS: Final = {"opening": 1.2, "obstacle": 0.9, "attempt2": 0.9, "turn": 1.2, "climax": 1.7}
"""How much of its chapter's length a beat gets, where it is not 1."""

_SCENE_LONG: Final = ("stranger", "landmark", "shelter", "snack")
"""What a scene may have of its own."""

_SHORT: Final = 350
"""Below so many words, each beat takes its shortest phrasing."""
_REMARKABLE: Final = ("decision", "attempt1", "attempt2", "turn", "climax", "resolution")
"""Where the voice puts a word in."""
_LINE: Final = 30
_REMARK_ROOM: Final = 12
_SCENE_ROOM: Final = 50
_MOMENT_ROOM: Final = 7
_MOMENTS_A_BEAT: Final = 3


@dataclass(frozen=True, slots=True)
class ToldChapter:
    """A chapter, finished."""

    title: str
    summary: str
    text: str


@dataclass(frozen=True, slots=True)
class Tale:
    """A story, finished."""

    title: str
    chapters: tuple[ToldChapter, ...]


def compose(brief: StoryBrief, seed: int, chapters: int) -> Tale:
    """Write the story of a brief in so many chapters, from 1 to 12."""
    return _Composer(brief, seed, chapters, lore()).compose()


class _Composer:
    """Works on one story; every choice comes from one source of chance, in a fixed order."""

    def __init__(self, brief: StoryBrief, seed: int, chapters: int, store: Lore) -> None:
        self._brief = brief
        self._chapters = chapters
        self._lore = store
        self._chance = chance = Random(seed)  # noqa: S311 - a story that can be told again
        frame = frame_for(brief, store, chance)
        self._cast, self._plot, self._voice = frame.cast, frame.plot, frame.voice
        self._speaker = frame.speaker
        self._introductions = Introductions(self._cast, store.names, chance)
        self._allies = Bag(chance, [ally.name for ally in self._cast.allies])
        self._scenes = self._shuffled_scenes()
        self._moments = self._speaker.shuffled(store.moments)
        self._remarks = self._speaker.shuffled(self._voice.remark)

    def compose(self) -> Tale:
        """Choose what must be told, then share the rest of the length out."""
        title = title_case(self._say(self._speaker.shuffled(self._plot.titles)))
        passages = self._essentials()
        self._grant_wishes(passages)
        self._shorten(passages)
        self._fill(passages)
        return Tale(title, tuple(self._bind(passages, title)))

    def _shuffled_scenes(self) -> dict[Phase, list[str]]:
        scenes: dict[Phase, list[str]] = {}
        for scene in self._chance.sample(self._lore.scenes, len(self._lore.scenes)):
            scenes.setdefault(scene.phase, []).append(scene.text)
        return scenes

    # --- what must be told ---

    def _essentials(self) -> list[Passage]:
        passages: list[Passage] = []
        for index, beat in enumerate(BEATS):
            core = self._core(beat, passages[-1].core if passages else " ")
            passages.append(Passage(beat, index * self._chapters // len(BEATS), core))
        for rival in self._cast.rivals:
            _of(passages, "spark").must.append(self._introductions.oppose(rival))
            _of(passages, "resolution").must.append(self._introductions.reconcile(rival))
        return passages

    def _core(self, beat: str, before: str) -> str:
        """Say the sentence that a beat needs; `before` is the one it follows."""
        variants = self._beat(beat).core
        if self._brief.words >= _SHORT:
            pool = self._voice.opening if beat == "opening" else variants
            return self._say(self._speaker.shuffled(pool))
        told = [self._say([variant, *variants]) for variant in variants]
        # Short sentences side by side must not all begin alike.
        beginning = before.partition(" ")[0]
        return min(told, key=lambda core: count_words(core) + 3 * core.startswith(beginning))

    def _beat(self, beat: str) -> Beat:
        return self._plot.steps[beat] if beat in STEPS else self._lore.beats[beat]

    def _grant_wishes(self, passages: list[Passage]) -> None:
        """Tell what else the reader asked for."""
        brief, cast, introductions = self._brief, self._cast, self._introductions
        opening, company = _of(passages, "opening"), _of(passages, "companions")
        opening.wishes = [introductions.present(cast.hero)]
        company.wishes = [introductions.present(ally) for ally in cast.allies]
        if brief.idea:
            most = max(12, brief.words // 6)
            opening.prelude.append(idea_sentence(brief.idea, most, self._chance))
        if brief.themes:
            opening.prelude.append(theme_sentence(brief.themes, self._chance))

    def _shorten(self, passages: list[Passage]) -> None:
        """Leave out what a very short story has no room for: steps first, then wishes."""
        for beat in _DISPENSABLE:
            passage = _of(passages, beat)
            if _words(passages) <= self._brief.words * 1.05:
                return
            if sum(other.chapter == passage.chapter for other in passages) > 1:
                passages.remove(passage)
        opening, company = _of(passages, "opening"), _of(passages, "companions")
        for wishes in (opening.prelude, company.wishes, opening.wishes):
            while wishes and self._is_too_long(passages):
                wishes.pop()
        if self._cast.rivals and self._is_too_long(passages):
            names = listed([rival.name for rival in self._cast.rivals])
            _of(passages, "spark").must = [f"Only {names} stood apart."]
            _of(passages, "resolution").must = []
        for passage in passages:
            if passage.beat in self._lore.brief and self._is_too_long(passages):
                passage.core = self._say([self._lore.brief[passage.beat]])

    def _is_too_long(self, passages: Sequence[Passage]) -> bool:
        return _words(passages) > self._brief.words * 1.1

    # --- the rest of the length ---

    def _fill(self, passages: Sequence[Passage]) -> None:
        echo = passages[-1]
        room = self._brief.words - _words(passages)
        closing = self._say(self._speaker.shuffled(self._voice.closing))
        if count_words(closing) <= room / 2:
            echo.closing = closing
            room -= count_words(closing)
        shares = [
            _WEIGHTS.get(one.beat, 1)
            / sum(_WEIGHTS.get(two.beat, 1) for two in passages if two.chapter == one.chapter)
            for one in passages
        ]
        # What one beat leaves over, or overdraws, is the next one's: so a scene that does not fit
        # here is told there, instead of being padded for.
        spare = 0.0
        for passage, share in zip(passages, shares, strict=True):
            budget = room * share / sum(shares) + spare
            spare = budget - self._tell_more(passage, budget)
        self._add_moments(_of(passages, "resolution"), spare, most=1)

    def _tell_more(self, passage: Passage, budget: float) -> int:
        """Spend a beat's budget of words; return what was spent."""
        before = passage.words
        friend = self._allies.draw()
        for markup in self._beat(passage.beat).more:
            try:
                told = self._speaker.say(markup, friend=friend)
            except Unspeakable:
                continue
            if count_words(told) > budget - (passage.words - before) + 3:
                return passage.words - before
            passage.more.append(told)
        if passage.beat in _REMARKABLE and budget - passage.words + before > _REMARK_ROOM:
            with suppress(Unspeakable, IndexError):
                passage.more.append(self._speaker.say(self._remarks.pop()))
        self._add_scenes(passage, budget + before)
        if not self._scenes[SCENES[passage.beat][0]]:
            room = budget + before - passage.words
            self._add_moments(passage, room, most=_MOMENTS_A_BEAT)
        return passage.words - before

    def _add_scenes(self, passage: Passage, limit: float) -> None:
        phase, _ = SCENES[passage.beat]
        waiting = self._scenes[phase]
        too_long: list[str] = []
        while waiting and limit - passage.words >= _SCENE_ROOM:
            markup = waiting.pop()
            try:
                told = self._scene(markup)
            except Unspeakable:
                continue
            if passage.words + count_words(told) > limit + _SCENE_ROOM / 2:
                too_long.append(markup)
            else:
                passage.scenes.append(told)
        waiting.extend(too_long)

    def _scene(self, markup: str) -> str:
        """Say a scene. Its people and things are its own, not those of the plot."""
        plot = dict(self._speaker.fixed)
        for name in _SCENE_LONG:
            self._speaker.fixed.pop(name)
        try:
            return self._speaker.say(markup, friend=self._allies.draw())
        finally:
            self._speaker.fixed.update(plot)

    def _add_moments(self, passage: Passage, room: float, *, most: int) -> None:
        limit = passage.words + room
        for _ in range(most):
            if not self._moments or limit - passage.words < _MOMENT_ROOM:
                return
            markup = self._moments.pop()
            try:
                passage.more.append(self._speaker.say(markup, friend=self._allies.draw()))
            except Unspeakable:
                continue

    def _say(self, variants: Sequence[str]) -> str:
        """Say what cannot be left out: where every variant holds an avoided word, the first."""
        friend = self._allies.draw()
        try:
            return self._speaker.say_first(variants, friend=friend)
        except Unspeakable:
            free = Speaker(
                self._chance,
                self._speaker.richness,
                Avoided(None),
                self._speaker.bags,
                self._speaker.verbatim,
                self._speaker.fixed,
            )
            return free.say(variants[0], friend=friend)

    # --- the book ---

    def _paragraphs(self, parts: Sequence[Passage]) -> list[str]:
        paragraphs = [paragraph for passage in parts for paragraph in passage.paragraphs]
        return list(_joined(paragraphs)) if self._brief.words < _SHORT else paragraphs

    def _bind(self, passages: Sequence[Passage], title: str) -> Iterator[ToldChapter]:
        for number in range(self._chapters):
            parts = [passage for passage in passages if passage.chapter == number]
            beats = {passage.beat for passage in parts}
            naming = next(beat for beat in _SALIENCE if beat in beats)
            yield ToldChapter(
                title=title
                if self._chapters == 1
                else title_case(self._say(self._speaker.shuffled(self._beat(naming).titles))),
                summary=" ".join(passage.core for passage in parts)[:1000],
                text="\n\n".join(self._paragraphs(parts)),
            )


def _joined(paragraphs: Sequence[str]) -> Iterator[str]:
    """Join the one-line paragraphs of a very short story."""
    joined = ""
    for paragraph in paragraphs:
        if joined and (count_words(joined) > _LINE or paragraph.startswith("\u201c")):
            yield joined
            joined = ""
        joined = f"{joined} {paragraph}".strip()
    yield joined


def _words(passages: Sequence[Passage]) -> int:
    return sum(passage.words for passage in passages)


def _of(passages: Sequence[Passage], beat: str) -> Passage:
    return next(passage for passage in passages if passage.beat == beat)
