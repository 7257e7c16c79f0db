"""The model of the soak: fast and talkative, and out of order whenever a fault says so."""

import random

from tests.gemini_server import (
    Behaviour,
    Call,
    Wire,
    answer,
    block_prompt,
    cut_after,
    hang,
    hang_after,
    refuse,
    refuse_after,
    tell_story,
)

CANARY = "quillfeather"
"""A word of every sentence that the model says: it may be in no log."""

FIRST_WORDS = f"The {CANARY} drifted down and lay still. Nobody picked it up. Then "
WORDS = ("lantern", "harbour", "fox", "owl", "evening", "stair", "kettle", "tide", "map", "whistle")
PAUSE = 0.04
SHARE = 0.7
"""How many calls meet the fault of the moment."""

FAULTS: dict[str, tuple[Behaviour, ...]] = {
    "answers 429": (refuse(429, retry_after=1), refuse_after(429, FIRST_WORDS)),
    "answers 500": (refuse(500), refuse_after(500, FIRST_WORDS)),
    "hangs": (hang, hang_after(FIRST_WORDS)),
    "cuts": (cut_after(), cut_after(FIRST_WORDS)),
    "blocks": (block_prompt(),),
}


class ChattyModel:
    """Tells stories of many short pieces; `fault` names what calls meet instead."""

    def __init__(self, chance: random.Random) -> None:
        self.fault = ""
        self._chance = chance

    async def __call__(self, call: Call, wire: Wire) -> None:
        """Answer one call."""
        if self.fault and self._chance.random() < SHARE:
            await self._chance.choice(FAULTS[self.fault])(call, wire)
        elif call.is_plan:
            await tell_story(call, wire)
        else:
            pieces = [self._piece(call.number) for _ in range(self._chance.randint(8, 40))]
            await answer(*pieces, pause=PAUSE)(call, wire)

    def _piece(self, number: int) -> str:
        words = " ".join(self._chance.choices(WORDS, k=self._chance.randint(3, 14)))
        end = self._chance.choice((". ", ". ", "!\n\n", ", and then ", "; "))
        return f"The {CANARY} of call {number} saw {words} 🦉{end}"
