"""The README's recipe, word for word, over real HTTP, WebSocket, SMTP and a real worker."""

import asyncio
import json
from hashlib import sha256

from tests.clients.graphql import GraphQLApi
from tests.clients.graphql_sse import graphql_sse
from tests.clients.graphql_ws import graphql_ws
from tests.clients.person import ADDRESS, RECIPE, log_in
from tests.clients.reader import Reader
from tests.deployment import Deployment
from tests.smtp_server import SmtpServer


async def test_from_sign_up_to_the_story_in_the_library_and_in_the_mail(
    api: GraphQLApi, mail_server: SmtpServer
) -> None:
    ada = await log_in(api, mail_server)

    requested = await api.execute(RECIPE["RequestStory"], token=ada.token)
    story = requested["requestStory"]["story"]
    assert story["status"] == "QUEUED"

    reader = Reader()
    await ada.follow(story["id"], reader)
    assert reader.end == "StoryReady"
    assert reader.kinds[0] == "StorySnapshot"
    assert reader.kinds.count("ChapterCompleted") == len(reader.chapters)
    assert "Ada" in reader.text
    assert "Ember" in reader.text

    viewer = (await api.execute(RECIPE["Library"], token=ada.token))["viewer"]
    assert viewer["displayName"] == "Ada"
    [edge] = viewer["stories"]["edges"]
    assert edge["node"]["text"] == reader.text
    assert (edge["node"]["status"], edge["node"]["storyteller"]) == ("READY", "offline")
    assert 360 <= edge["node"]["words"] <= 540  # three minutes at 150 words, within a fifth

    mail = await mail_server.mail_to(ADDRESS, count=2)
    assert edge["node"]["title"] in mail.subject
    for paragraph in reader.text.split("\n\n"):
        assert " ".join(paragraph.split()) in " ".join(mail.text.split())

    assert sha256(reader.text.encode()).hexdigest() == (await ada.stored(story["id"]))["sha256"]


async def test_the_log_follows_a_story_from_the_request_to_its_mail(
    api: GraphQLApi, deployment: Deployment, mail_server: SmtpServer
) -> None:
    ada = await log_in(api, mail_server)
    answer = await api.post(RECIPE["RequestStory"], token=ada.token)
    request_id = answer.body["extensions"]["requestId"]
    await mail_server.mail_to(ADDRESS, count=2, within=30)

    def lines(process: str, message: str) -> list[dict[str, str]]:
        written = deployment.log(process).splitlines()
        # arq's command says in a form of its own that it starts, before it asks for ours.
        found = [json.loads(line) for line in written if line.startswith("{")]
        return [
            line
            for line in found
            if line.get("request_id") == request_id and line["message"] == message
        ]

    async with asyncio.timeout(10):
        while not lines("worker", "Mail sent"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # only its log tells

    [served] = lines("api", "Request served")
    writing, mailing = lines("worker", "Job started")
    [sent] = lines("worker", "Mail sent")
    assert (writing["job_kind"], mailing["job_kind"]) == ("write_story", "send_delivery")
    assert sent["job_id"] == mailing["job_id"]
    assert sent["story_id"] == writing["story_id"]
    assert {line["user_id"] for line in (served, writing, mailing, sent)} == {served["user_id"]}


async def test_the_graphql_ws_client_follows_a_story_to_its_end(
    api: GraphQLApi, deployment: Deployment, mail_server: SmtpServer
) -> None:
    ada = await log_in(api, mail_server)
    story_id = await ada.request(length={"words": 300})
    reader = Reader()

    async with graphql_ws(
        f"{deployment.url.replace('http', 'ws', 1)}/graphql",
        RECIPE["StoryEvents"],
        {"storyId": story_id, "after": None},
        token=ada.token,
    ) as events:
        kinds = []
        async for event in events:
            kinds.append(event["type"])
            if event["type"] == "next":
                reader.read(event["payload"]["data"]["storyEvents"])

    assert kinds[0] == "connected"
    assert "complete" in kinds
    assert reader.end == "StoryReady"
    assert reader.text == (await ada.stored(story_id))["text"]


async def test_the_graphql_sse_client_follows_a_story_through_a_restart_of_the_api(
    api: GraphQLApi, deployment: Deployment, mail_server: SmtpServer
) -> None:
    ada = await log_in(api, mail_server)
    story_id = await ada.request(length={"words": 300})
    reader = Reader()

    async with graphql_sse(
        f"{deployment.url}/graphql",
        RECIPE["StoryEvents"],
        {"storyId": story_id, "after": None},
        token=ada.token,
    ) as events:
        said = []
        async for event in events:
            said.append(event)
            if event["type"] == "next":
                reader.read(event["payload"]["data"]["storyEvents"])
                if len(reader.kinds) == 2:
                    await deployment.restart_api()

    assert [each["retry"] for each in said if each["type"] == "connected"] == [False, True]
    assert said[-1] == {"type": "complete"}
    assert reader.end == "StoryReady"
    assert reader.text == (await ada.stored(story_id))["text"]
