"""The operations that our documents and GraphiQL show, as a reader would copy them."""

import json
import re
import subprocess
from pathlib import Path

from tests.clients.node import NODE

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
GRAPHIQL = ROOT / "web" / "graphiql" / "recipe.js"


def recipe() -> dict[str, str]:
    """Return the README's GraphQL blocks by the names of their operations."""
    return {block.split(maxsplit=2)[1].partition("(")[0]: block for block in blocks(README)}


def blocks(page: Path) -> list[str]:
    """Return the GraphQL blocks of a page."""
    return re.findall(r"^```graphql\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def graphiql_tabs() -> list[dict[str, str]]:
    """Return what GraphiQL's tabs are filled with: a `query`, and `variables` where it has some."""
    printed = subprocess.run(
        [
            NODE,
            "--input-type=module",
            "--eval",
            (
                f"import {{ RECIPE }} from {json.dumps(GRAPHIQL.as_uri())};"
                "console.log(JSON.stringify(RECIPE));"
            ),
        ],
        check=True,
        capture_output=True,
    )
    tabs: list[dict[str, str]] = json.loads(printed.stdout)
    return tabs
