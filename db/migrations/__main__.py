"""`python -m db.migrations upgrade | downgrade REVISION | draft MESSAGE`, on DATABASE_URL."""

import asyncio
import os
import sys

from db.migrations import draft, migrate, revert

url = os.environ.get("DATABASE_URL")
if not url:
    sys.exit("DATABASE_URL is not set: name the database, postgresql://user:password@host/name")
match sys.argv[1:]:
    case ["upgrade"]:
        asyncio.run(migrate(url))
    case ["downgrade", revision]:
        asyncio.run(revert(url, revision))
    case ["draft", message]:
        asyncio.run(draft(url, message))
    case _:
        sys.exit(__doc__)
