"""A person who uses Storyloom, by the operations that the README shows."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

from tests.clients.graphql import GraphQLApi, SocketClosed
from tests.clients.reader import Reader
from tests.documents import recipe
from tests.smtp_server import SmtpServer

ADDRESS = "ada@example.com"
COME_BACK_SECONDS = 0.1
RECIPE = recipe()

ANY_STORY = """
mutation RequestStory($input: RequestStoryInput!) {
  requestStory(input: $input) {
    __typename
    ... on RequestStorySuccess { story { id status } }
    ... on Refusal { code message path }
  }
}
"""

STORED_STORY = """
query Story($id: ID!) {
  story(id: $id) {
    status title text sha256 words attempts storyteller model
    usage { inputTokens outputTokens }
    failure { code message }
    chapters { number title text sha256 }
    requestedAt startedAt readyAt
  }
}
"""


@dataclass
class Person:
    """Somebody who is logged in."""

    api: GraphQLApi
    token: str
    refresh_token: str

    async def request(self, **wishes: Any) -> str:  # noqa: ANN401 - JSON
        """Ask for a story and return its id."""
        data = await self.api.execute(ANY_STORY, {"input": wishes}, token=self.token)
        assert data["requestStory"]["__typename"] == "RequestStorySuccess", data
        return str(data["requestStory"]["story"]["id"])

    async def follow(self, story_id: str, reader: Reader, *, until: str | None = None) -> None:
        """Let the reader watch, from its cursor to the end, or to the first event of a kind."""
        variables = {"storyId": story_id, "after": reader.cursor}
        async with self.api.subscribe(
            RECIPE["StoryEvents"], variables, token=self.token, within=60
        ) as events:
            async for data in events:
                reader.read(data["storyEvents"])
                if until is not None and reader.kinds[-1] == until:
                    return

    async def keep_following(self, story_id: str, reader: Reader) -> None:
        """Let the reader watch to the end, coming back with its cursor whenever it was cut off."""
        while reader.end is None:
            try:
                await self.follow(story_id, reader)
            except SocketClosed:
                await asyncio.sleep(COME_BACK_SECONDS)  # as any client does

    async def stored(self, story_id: str) -> dict[str, Any]:
        """Return the story as the library has it."""
        data = await self.api.execute(STORED_STORY, {"id": story_id}, token=self.token)
        story: dict[str, Any] = data["story"]
        return story


async def log_in(api: GraphQLApi, mail_server: SmtpServer) -> Person:
    """Sign up, read the code in the mail, prove the address and log in, as the README says."""
    signed_up = await api.execute(RECIPE["SignUp"])
    challenge = signed_up["signUp"]["challenge"]["id"]
    code = code_in((await mail_server.mail_to(ADDRESS)).text)
    verified = await api.execute(RECIPE["VerifyOtp"], {"challengeId": challenge, "code": code})
    assert verified["verifyOtp"]["account"]["displayName"] == "Ada", verified
    tokens = (await api.execute(RECIPE["LogIn"]))["logIn"]["tokens"]
    return Person(api, tokens["accessToken"], tokens["refreshToken"])


def code_in(text: str) -> str:
    """Return the six digits that stand alone in a mail."""
    found = re.search(r"(?<!\d)(\d{3}) ?(\d{3})(?!\d)", text)
    assert found is not None, "the mail has no code"
    return found[1] + found[2]
