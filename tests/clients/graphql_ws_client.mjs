// Follows one subscription with the `graphql-ws` client as published, and resumes where it stopped.
//
// stdin: one line of JSON, {url, query, variables, token?, origin?, retries?}; each further line is
// a fresh access token, used from the next connection on.
// stdout: one line of JSON for each thing that happens:
//   {"type": "connected", "retry": false}     acknowledged; `retry` when it was connected before
//   {"type": "next", "payload": {...}}        what the server sent
//   {"type": "closed", "code", "reason"}      the socket was closed
//   {"type": "complete"}                      the operation is over: exit 0
//   {"type": "error", ...}                    it failed for good: exit 1
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

// The package is installed for the web folder, and found from there.
const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { createClient } = require('graphql-ws');

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, query, variables, origin, retries = 20, ...given } = JSON.parse(
  (await lines.next()).value,
);
let { token } = given;

function say(event, exitCode) {
  process.stdout.write(`${JSON.stringify(event)}\n`, () => {
    if (exitCode !== undefined) process.exit(exitCode);
  });
}

// Browsers send Origin by themselves; Node's WebSocket takes it as a header.
class WebSocketOfOrigin extends WebSocket {
  constructor(address, protocols) {
    super(address, { protocols, headers: origin ? { origin } : {} });
  }
}

let connectedBefore = false;
const client = createClient({
  url,
  webSocketImpl: WebSocketOfOrigin,
  connectionParams: () => (token ? { accessToken: token } : {}),
  retryAttempts: retries,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 200)),
  shouldRetry: () => true,
  on: {
    connected: () => {
      say({ type: 'connected', retry: connectedBefore });
      connectedBefore = true;
    },
    closed: ({ code, reason }) => say({ type: 'closed', code, reason }),
  },
});

// graphql-ws subscribes again with the payload it was given, so the cursor has to be kept in it:
// a client that does not would be told everything since its first cursor again.
const payload = { query, variables: { ...variables } };
client.subscribe(payload, {
  next(result) {
    const [event] = Object.values(result.data ?? {});
    if (event?.cursor) payload.variables.after = event.cursor;
    say({ type: 'next', payload: result });
  },
  complete: () => say({ type: 'complete' }, 0),
  error(error) {
    const { message, code, reason } = error;
    say({ type: 'error', message, code, reason, errors: Array.isArray(error) ? error : undefined }, 1);
  },
});

for await (const line of lines) token = line.trim();
