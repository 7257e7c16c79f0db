"""What we publish holds: the schema describes itself, and every operation we show is valid."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_composite_type,
    is_specified_directive,
    is_specified_scalar_type,
    parse,
    validate,
)

from schema.schema import schema
from tests.documents import ROOT, blocks, graphiql_tabs, recipe

PUBLISHED = build_schema((ROOT / "schema.graphql").read_text())
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def errors_of(document: str) -> list[str]:
    return [error.message for error in validate(PUBLISHED, parse(document))]


def undescribed(published: GraphQLSchema) -> Iterator[str]:
    for name, kind in published.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(kind):
            continue
        if not kind.description:
            yield name
        if isinstance(kind, GraphQLEnumType):
            yield from (f"{name}.{v}" for v, value in kind.values.items() if not value.description)
        if isinstance(kind, GraphQLInputObjectType):
            yield from (f"{name}.{f}" for f, field in kind.fields.items() if not field.description)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for f, field in kind.fields.items():
                if not field.description:
                    yield f"{name}.{f}"
                yield from (
                    f"{name}.{f}({a})" for a, arg in field.args.items() if not arg.description
                )
    yield from (
        f"@{directive.name}"
        for directive in published.directives
        if not is_specified_directive(directive) and not directive.description
    )


def test_everything_in_the_schema_is_described() -> None:
    assert list(undescribed(PUBLISHED)) == []


def test_the_committed_schema_equals_the_code() -> None:
    assert (ROOT / "schema.graphql").read_text() == schema.as_str() + "\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_operations_of_our_pages_are_valid(page: Path) -> None:
    for document in blocks(page):
        assert errors_of(document) == [], document


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_our_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_holds_the_whole_recipe() -> None:
    assert list(recipe()) == [
        "SignUp",
        "VerifyOtp",
        "LogIn",
        "RequestStory",
        "StoryEvents",
        "Library",
    ]


def test_graphiql_is_filled_with_the_same_steps() -> None:
    tabs = graphiql_tabs()
    for tab in tabs:
        assert errors_of(tab["query"]) == [], tab["query"]
        json.loads(tab.get("variables", "{}"))
    names = [parse(tab["query"]).definitions[0].to_dict()["name"]["value"] for tab in tabs]
    assert names == list(recipe())


@pytest.mark.parametrize("interface", ["StoryEvent", "ViewerEvent", "Refusal", "Node"])
def test_all_fields_of_all_members_can_be_selected_side_by_side(interface: str) -> None:
    """A client that wants everything needs no aliases."""
    parent = PUBLISHED.type_map[interface]
    assert isinstance(parent, GraphQLInterfaceType)
    members = "\n".join(
        f"... on {member.name} {{ {_leaves(member)} }}"
        for member in PUBLISHED.get_implementations(parent).objects
    )
    fragment = f"fragment All on {interface} {{ __typename {members} }}"
    errors = [e for e in errors_of(fragment) if not e.startswith("Fragment 'All' is never used")]
    assert errors == []


def _leaves(member: GraphQLObjectType) -> str:
    """Select each field that needs no argument, composite ones by their type's name."""
    return " ".join(
        f"{name} {{ __typename }}" if is_composite_type(get_named_type(field.type)) else name
        for name, field in member.fields.items()
    )
