"""Followers share what they are told also where the events come from Redis."""

import asyncio
from typing import cast

from redis.asyncio import Redis

from adapters.event_log.log import RedisEventLog
from domain.events import StoryQueued
from tests.fakes.event_log import FakeEventLog
from tests.unit.api.test_sharing import Crowd
from tests.unit.usecases.stories.conftest import House

FOLLOWERS = 20


async def test_an_announced_event_is_executed_once_for_all_followers(redis: Redis) -> None:
    house = House()
    await house.settle(house.account)
    log = RedisEventLog(redis, house.clock)
    house.events = cast("FakeEventLog", log)
    crowd, story = Crowd(house), await house.queued()
    following = [asyncio.create_task(crowd.follow(story.id)) for _ in range(FOLLOWERS)]
    try:
        await crowd.heard(FOLLOWERS, events=1)
        await log.append(house.topic(story), 0, StoryQueued(place=1))
        await crowd.heard(FOLLOWERS, events=2)  # whoever heard it waits at the inbox
        before = crowd.contexts
        await crowd.browser.write(story)
        await asyncio.gather(*following)
    finally:
        await log.aclose()

    announced = [told[2:] for told in crowd.told]
    assert crowd.contexts - before == len(announced[0]) >= 9
    assert all(len({id(one.content) for one in each}) == 1 for each in zip(*announced, strict=True))
