"""The operations that GraphiQL's tabs are filled with."""

import re
from pathlib import Path

from api.graphql.documents import Documents
from api.graphql.limits import Limits
from schema.schema import schema

RECIPE = Path(__file__).resolve().parents[3] / "web" / "graphiql" / "recipe.js"


def test_every_step_of_the_recipe_fits_the_schema() -> None:
    script = RECIPE.read_text()
    [refusal] = re.findall(r"const REFUSAL = `(.*?)`;", script, re.DOTALL)
    steps = [
        step.replace("${REFUSAL}", refusal)
        for step in re.findall(r"query: `(.*?)\n`", script, re.DOTALL)
    ]
    documents = Documents(schema._schema, Limits())  # noqa: SLF001 - as the engine takes it

    names = [documents.read(step.replace("\\`", "`")).operations[0].name for step in steps]

    assert [name and name.value for name in names] == [
        "SignUp",
        "VerifyOtp",
        "LogIn",
        "RequestStory",
        "StoryEvents",
        "Library",
    ]
