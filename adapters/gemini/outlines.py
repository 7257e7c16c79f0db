"""The outline that Gemini is asked for, and what is made of its answer."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, StringConstraints, ValidationError

from adapters.gemini.faults import unusable_outline
from domain.stories import PlannedChapter, StoryPlan
from domain.text import scrub

_MARKS: Final = re.compile(r"[*_#`]+")
_NUMBERING: Final = re.compile(r"^(chapter\s+)?\w{1,6}\s*[:.\u2013\u2014-]\s+", re.IGNORECASE)
_LONGEST_STORY_TITLE: Final = 160
_LONGEST_CHAPTER_TITLE: Final = 120
_LONGEST_SUMMARY: Final = 1000


def _line(text: str) -> str:
    """Clean a line of model text: one line, no Markdown, no quotes around it."""
    return " ".join(_MARKS.sub("", scrub(text)).split()).strip('"\u201c\u201d ')


Line = Annotated[str, AfterValidator(_line)]
Title = Annotated[Line, AfterValidator(_line), StringConstraints(min_length=1)]


class OutlinedChapter(BaseModel):
    """A chapter of the outline."""

    title: Title
    summary: Line


class Outline(BaseModel):
    """The answer that `schema_for` describes."""

    title: Title
    chapters: list[OutlinedChapter]


def schema_for(chapters: int) -> dict[str, Any]:
    """Return the JSON schema of an outline with exactly so many chapters."""
    chapter = {
        "type": "object",
        "properties": {
            "title": {"type": "string", "description": "Two to six words, without a number"},
            "summary": {"type": "string", "description": "What happens, in one to three sentences"},
        },
        "required": ["title", "summary"],
    }
    return {
        "type": "object",
        "properties": {
            "title": {"type": "string", "description": "The story's title, two to eight words"},
            "chapters": {
                "type": "array",
                "items": chapter,
                "minItems": chapters,
                "maxItems": chapters,
            },
        },
        "required": ["title", "chapters"],
    }


def read_outline(answer: str, chapters: int) -> StoryPlan:
    """Make the plan of an answer. Raises StorytellerFault for what cannot be mended.

    The schema binds the model loosely: fenced JSON, words around it, numbered or overlong titles
    all happen, and are mended. A wrong number of chapters is not, since the arc would be broken.
    """
    start, end = answer.find("{"), answer.rfind("}")
    problem = ""
    try:
        outline = Outline.model_validate_json(scrub(answer[start : end + 1]))
    except ValidationError as error:
        problem = ", ".join(_place(issue["loc"], issue["type"]) for issue in error.errors())
    if problem:
        raise unusable_outline(problem)
    if len(outline.chapters) != chapters:
        raise unusable_outline(f"{len(outline.chapters)} chapters instead of {chapters}")
    return StoryPlan(
        title=outline.title[:_LONGEST_STORY_TITLE],
        chapters=tuple(
            PlannedChapter(
                title=_NUMBERING.sub("", chapter.title)[:_LONGEST_CHAPTER_TITLE] or chapter.title,
                summary=chapter.summary[:_LONGEST_SUMMARY],
            )
            for chapter in outline.chapters
        ),
    )


def _place(path: tuple[int | str, ...], kind: str) -> str:
    return f"{'.'.join(map(str, path)) or 'answer'}: {kind}"
