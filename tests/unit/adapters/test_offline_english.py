"""Articles, places and grammar of the built-in storyteller."""

import tomllib
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.offline import material
from adapters.offline.english import listed, sentence, title_case, with_article
from adapters.offline.grammar import Avoided, Bag, Speaker, Unspeakable, parse
from adapters.offline.places import whereabouts

LORE = Path(material.__file__).parent / "lore"


def speaker(*, avoid: tuple[str, ...] = (), richness: float = 1) -> Speaker:
    chance = Random(1)  # noqa: S311 - a test
    bags = {"creature": Bag(chance, ["owl", "hare"])}
    return Speaker(chance, richness, Avoided.of(avoid), bags, {"hero": "$creature {x}"})


@pytest.mark.parametrize(
    ("setting", "where"),
    [
        ("a forest", "in a forest"),
        ("forest", "in a forest"),
        ("old lighthouse", "in an old lighthouse"),
        ("the moon", "on the moon"),
        ("on a ship", "on a ship"),
        ("pirate ship", "on a pirate ship"),
        ("Paris", "in Paris"),
        ("Venice in winter", "in Venice in winter"),
        ("New York", "in New York"),
        ("Haunted house", "in a Haunted house"),
        ("the seaside", "at the seaside"),
        ("mountains", "in mountains"),
        ("my grandmother's garden", "in my grandmother's garden"),
        ("outer space", "in outer space"),
        ("2050", "in 2050"),
        ("森", "in 森"),
    ],
)
def test_settings_get_their_preposition_and_article(setting: str, where: str) -> None:
    assert whereabouts(setting) == where


def test_nouns_get_their_article_by_sound() -> None:
    nouns = ("hour", "unicorn", "owl", "one-eyed cat", "MP3 player")
    assert [with_article(noun) for noun in nouns] == [
        "an hour",
        "a unicorn",
        "an owl",
        "a one-eyed cat",
        "an MP3 player",
    ]


def test_small_things() -> None:
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert sentence("Really?") == "Really?"
    assert sentence("so") == "so."
    assert title_case("the song of an owl") == "The Song of an Owl"


def test_a_phrase_keeps_its_nouns() -> None:
    said = speaker().say("$A_creature came. The $creature {went|left}[ soon]. <Big/Vast>.")
    assert said in {
        f"{article} {noun} came. The {noun} {verb} soon. Vast."
        for article, noun in (("An", "owl"), ("A", "hare"))
        for verb in ("went", "left")
    }


def test_a_plain_reader_gets_no_ornament() -> None:
    assert speaker(richness=0).say("It was <big/vast>[, very much so].") == "It was big."


def test_verbatim_text_is_not_read_as_markup() -> None:
    assert speaker().say("Hello $hero!") == "Hello $creature {x}!"


def test_avoided_words_are_gone_round_or_refused() -> None:
    shy = speaker(avoid=("storms", "fairy"))
    assert shy.say("{A storm|A breeze}[, or storming] came.") == "A breeze came."
    with pytest.raises(Unspeakable):
        shy.say("Fairies danced.")


def test_unclosed_markup_is_an_error() -> None:
    with pytest.raises(ValueError, match="missing"):
        parse("a {b")


def strings(node: Any) -> list[str]:  # noqa: ANN401 - any TOML
    if isinstance(node, dict):
        return [text for child in node.values() for text in strings(child)]
    if isinstance(node, list):
        return [text for child in node for text in strings(child)]
    return [node] if isinstance(node, str) else []


@pytest.mark.parametrize("path", sorted(LORE.glob("*.toml")), ids=lambda path: path.stem)
def test_all_markup_of_the_store_can_be_read(path: Path) -> None:
    texts = strings(tomllib.loads(path.read_text(encoding="utf-8")))
    assert texts
    assert all(map(parse, texts))
