"""Requests made to break a GraphQL server: too deep, too wide, too many, or no requests at all."""

import gzip
import json
from collections.abc import Iterator

JSON = "application/json"


def documents() -> Iterator[tuple[str, str]]:
    """Return documents that must be refused, by what is wrong with them."""
    yield "fields nested 9 deep", _nested("{ viewer ", "{ id }", 9)
    yield "fields nested 400 deep", _nested("{ a ", "{ b }", 400)
    yield "fields nested 10,000 deep", _nested("{a", "{b}", 10_000)
    yield "inline fragments nested 300 deep", _nested("{ ... ", "{ __typename }", 300)
    yield "braces without end", "{" * 60_000
    yield "lists nested 20,000 deep", f"{{ node(id: {'[' * 20_000}{']' * 20_000}) {{ id }} }}"
    yield "objects nested 5,000 deep", f"{{ node(id: {'{a:' * 5_000}1{'}' * 5_000}) {{ id }} }}"
    yield "types nested 20,000 deep", f"query ($a: {'[' * 20_000}ID{']' * 20_000}) {{ hello }}"
    yield "16 aliases", _aliases("viewer {{ id }}", 16)
    yield "1,000 aliases", _aliases("viewer {{ id }}", 1_000)
    yield "5,000 aliases of __typename", _aliases("__typename", 5_000)
    yield "100 log-ins", "mutation " + _aliases(LOG_IN, 100)
    yield "1,001 tokens", "{ " + "__typename " * 999 + "}"
    yield "40,000 tokens", "{ " + "a " * 40_000 + "}"
    yield "40,000 commas and comments", "{ viewer { id } " + ",#\n" * 20_000 + "a:" * 10_000 + "}"
    yield "a name of 60,000 letters", "{ " + "a" * 60_000 + " }"
    yield "a text of 60,000 letters", '{ node(id: "' + "a" * 60_000 + '") { id } }'
    yield "a number of 60,000 digits", "{ node(id: " + "9" * 60_000 + ") { id } }"
    yield "1,000 directives", "{ viewer " + "@include(if: true) " * 1_000 + "{ id } }"
    yield "26 directives", "{ viewer " + "@skip(if: false) " * 26 + "{ id } }"
    yield "unknown directives", "{ viewer @a @b(c: 1) @defer @stream { id } }"
    yield "fragments that double", _doubling(30)
    yield "a fragment in itself", "{ ...a } fragment a on Query { ...a }"
    yield (
        "fragments in a circle",
        (
            "{ ...a } fragment a on Query { ...b } fragment b on Query { ...c }"
            " fragment c on Query { ...a }"
        ),
    )
    yield "a field repeated 900 times", "{ viewer { " + "id " * 900 + "} }"
    yield "500 operations", " ".join(f"query q{n} {{ viewer {{ id }} }}" for n in range(500))
    yield (
        "introspection in a circle",
        (
            "{ __schema { types { fields { type { fields { type { fields { type { fields {"
            " name } } } } } } } } } }"
        ),
    )
    yield "variables of variables", "query ($a: ID = $b, $b: ID = $a) { node(id: $a) { id } }"
    yield "300 variables", "query (" + "".join(f"$v{n}: ID " for n in range(300)) + ") { hello }"
    yield "a page of everything", "{ viewer { stories(first: 2147483647) { edges { cursor } } } }"
    yield "a page of less than nothing", "{ viewer { stories(first: -1) { edges { cursor } } } }"
    yield "two subscriptions", "subscription { a: viewerEvents { x } b: viewerEvents { x } }"
    yield "no document", ""
    yield "blanks", " \n\t\ufeff"
    yield "NUL", "{ viewer\x00 { id } }"
    yield "an unfinished text", '{ node(id: "'
    yield "an unfinished block", '{ node(id: """'
    yield "escapes of nothing", '{ node(id: "\\u{FFFFFFFF}\\uD800\\x") { id } }'
    yield "a schema", "type Query { a: Int } extend type Query { b: Int }"
    yield "SQL", "'; DROP TABLE accounts; --"


LOG_IN = 'logIn(input: {{ email: "a@b.example", password: "{n}" }}) {{ __typename }}'


def bodies() -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Return request bodies that are none, by what is wrong with them, with their headers."""
    plain = {"content-type": JSON}
    for name, body in (
        ("nothing", b""),
        ("no JSON", b"viewer"),
        ("half of JSON", b'{"query": "{ viewer '),
        ("no UTF-8", b'{"query": "\xff\xfe\x80"}'),
        ("a mark of the byte order", b"\xef\xbb\xbf" + b'{"query": "{ viewer { id } }"}'),
        ("NUL", b"\x00" * 1_000),
        ("null", b"null"),
        ("a number", b"7"),
        ("a text", b'"{ viewer { id } }"'),
        ("a batch", json.dumps([{"query": "{ viewer { id } }"}] * 100).encode()),
        ("an empty batch", b"[]"),
        ("lists nested 40,000 deep", b"[" * 40_000 + b"]" * 40_000),
        ("objects nested 15,000 deep", b'{"a":' * 15_000 + b"1" + b"}" * 15_000),
        ("keys twice", b'{"query": "{ a }", "query": "{ viewer { id } }", "query": 7}'),
        ("a query that is a list", b'{"query": ["{ viewer { id } }"]}'),
        ("a lone surrogate", b'{"query": "{ node(id: \\"\\ud800\\") { id } }"}'),
        ("variables that are a list", b'{"query": "{ viewer { id } }", "variables": [1]}'),
        ("variables that are a text", b'{"query": "{ viewer { id } }", "variables": "{}"}'),
        ("deep variables", b'{"query": "{ viewer { id } }", "variables": {"a": %s}}' % _deep(9000)),
        ("an operation that is not there", b'{"query": "{ a }", "operationName": "other"}'),
        ("an operation that is no name", b'{"query": "{ a }", "operationName": {"a": 1}}'),
        ("extensions that are a text", b'{"query": "{ viewer { id } }", "extensions": "x"}'),
        ("a persisted query of nothing", b'{"extensions": {"persistedQuery": {"version": 9}}}'),
        ("numbers without end", b'{"query": "{ a }", "variables": {"a": 1e999, "b": NaN}}'),
        (
            "a number of 90,000 digits",
            b'{"query": "{ a }", "variables": %s}' % (b"9" * 90_000),
        ),
        ("more than 100 kB", b'{"query": "' + b" " * 150_000 + b'{ viewer { id } }"}'),
    ):
        yield name, body, plain
    good = b'{"query": "{ viewer { id } }"}'
    for name, headers in (
        ("no type", {}),
        ("a form", {"content-type": "application/x-www-form-urlencoded"}),
        ("an upload", {"content-type": "multipart/form-data; boundary=x"}),
        ("an upload without a boundary", {"content-type": "multipart/form-data"}),
        ("a text", {"content-type": "text/plain"}),
        ("an alphabet of nobody's", {"content-type": f"{JSON}; charset=x-user-defined"}),
        ("UTF-7", {"content-type": f"{JSON}; charset=utf-7"}),
        ("a type that is none", {"content-type": ";;;=,/"}),
        ("an answer of nobody's", {**plain, "accept": "image/png"}),
        ("an Accept that is none", {**plain, "accept": "/;q=x,,;;*"}),
        ("no bearer", {**plain, "authorization": "Basic Og=="}),
        ("cookies that are none", {**plain, "cookie": "=;;==;\\x22"}),
        ("zipped, as it says", {**plain, "content-encoding": "gzip"}),
    ):
        yield name, good, headers
    yield "a zip bomb", gzip.compress(b" " * 10_000_000), {**plain, "content-encoding": "gzip"}


def _nested(opening: str, innermost: str, depth: int) -> str:
    return opening * depth + innermost + "}" * depth


def _aliases(field: str, count: int) -> str:
    return "{ " + " ".join(f"a{n}: {field.format(n=n)}" for n in range(count)) + " }"


def _doubling(depth: int) -> str:
    fragments = " ".join(
        f"fragment f{n} on Account {{ ...f{n + 1} ...f{n + 1} }}" for n in range(depth)
    )
    return f"{{ viewer {{ ...f0 }} }} {fragments} fragment f{depth} on Account {{ id }}"


def _deep(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth
