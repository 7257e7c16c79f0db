"""What a reader may ask for."""

import pytest
from pydantic import ValidationError

from domain.briefs import StoryBrief, StoryRequest, chapters_for, language_tag


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("en", "en"),
        ("PT-br", "pt-BR"),
        ("zh-hANT-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("sl-rozaj-biske", "sl-rozaj-biske"),
        ("zh-yue-HK", "zh-yue-HK"),
        ("en-a-bbb-x-Mine", "en-a-bbb-x-mine"),
    ],
)
def test_a_language_tag_is_kept_in_its_usual_case(sent: str, kept: str) -> None:
    assert language_tag(sent) == kept


@pytest.mark.parametrize(
    "sent", ["", "e", "english language", "en_US", "en-", "-en", "en--US", "en\n", "e\u00f1", "x"]
)
def test_what_is_no_language_tag_is_refused(sent: str) -> None:
    with pytest.raises(ValueError, match="BCP 47"):
        language_tag(sent)


@pytest.mark.parametrize(
    ("words", "chapters"), [(100, 1), (374, 1), (600, 2), (1500, 6), (5000, 12)]
)
def test_chapters_follow_from_the_length(words: int, chapters: int) -> None:
    assert chapters_for(words) == chapters


@pytest.mark.parametrize("length", [{}, {"words": 100, "minutes": 1}], ids=["none", "both"])
def test_a_length_is_given_in_one_measure(length: dict[str, int]) -> None:
    with pytest.raises(ValidationError) as fault:
        StoryRequest.model_validate({"length": length})
    assert fault.value.errors()[0]["loc"] == ("length",)


def test_a_request_is_completed_to_a_brief() -> None:
    request = StoryRequest.model_validate({"idea": " A  fox ", "length": {"words": 1000}})
    brief = request.brief(["the sea"])
    assert brief == StoryBrief(idea=request.idea, themes=("the sea",), words=1000, chapters=4)
    assert brief.minutes == 7


def test_the_shortest_story_in_minutes_is_as_long_as_the_shortest_in_words() -> None:
    assert StoryRequest.model_validate({"length": {"minutes": 1}}).brief([]).words == 150
