// Follows one subscription with the `graphql-sse` client as published, and resumes where it stopped.
//
// stdin: one line of JSON, {url, query, variables, token?, retries?}; each further line is a fresh
// access token, used from the next connection on.
// stdout: one line of JSON for each thing that happens:
//   {"type": "connected", "retry": false}     the stream is open; `retry` when it was open before
//   {"type": "next", "payload": {...}}        what the server sent
//   {"type": "complete"}                      the operation is over: exit 0
//   {"type": "error", ...}                    it failed for good: exit 1
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

// The package is installed for the web folder, and found from there.
const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { createClient } = require('graphql-sse');

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, query, variables, retries = 50, ...given } = JSON.parse((await lines.next()).value);
let { token } = given;

function say(event, exitCode) {
  process.stdout.write(`${JSON.stringify(event)}\n`, () => {
    if (exitCode !== undefined) process.exit(exitCode);
  });
}

const client = createClient({
  url,
  headers: () => (token ? { authorization: `Bearer ${token}` } : {}),
  retryAttempts: retries,
  retry: () => new Promise((resolve) => setTimeout(resolve, 200)),
  on: { connected: (retry) => say({ type: 'connected', retry }) },
});

// graphql-sse reads no ids, and sends the request it was given again: so the cursor is kept in it.
const request = { query, variables: { ...variables } };
client.subscribe(request, {
  next(result) {
    const [event] = Object.values(result.data ?? {});
    if (event?.cursor) request.variables.after = event.cursor;
    say({ type: 'next', payload: result });
  },
  complete: () => say({ type: 'complete' }, 0),
  error: ({ message }) => say({ type: 'error', message }, 1),
});

for await (const line of lines) token = line.trim();
