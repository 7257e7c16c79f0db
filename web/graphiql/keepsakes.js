// What the steps hand on to each other: the newest challenge, access token and story.
// It is kept for this tab of the browser only.

const STORE = 'storyloom:kept';
const listeners = new Set();
let kept = read();

function read() {
  try {
    return Object.freeze(JSON.parse(sessionStorage.getItem(STORE)) ?? {});
  } catch {
    return Object.freeze({});
  }
}

function write(next) {
  kept = Object.freeze(next);
  sessionStorage.setItem(STORE, JSON.stringify(kept));
  for (const listener of listeners) listener();
}

export const current = () => kept;

export const forget = () => write({});

export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Keep what a response has to offer, whatever its fields are called. */
export function keepFrom({ data }) {
  const found = {};
  for (const answer of Object.values(data ?? {})) {
    const challengeId = answer?.challenge?.id ?? answer?.challengeId;
    if (challengeId) found.challengeId = challengeId;
    if (answer?.tokens?.accessToken) found.accessToken = answer.tokens.accessToken;
    if (answer?.story?.id) found.storyId = answer.story.id;
    if (answer?.wasLoggedIn !== undefined) found.accessToken = undefined;
  }
  if (Object.keys(found).length) write({ ...kept, ...found });
}

/** Fill the variables' `<placeholders>`; those that nothing is known for stay as they are. */
export function filled(variables) {
  if (typeof variables === 'string') {
    const name = /^<(\w+)>$/.exec(variables)?.[1];
    return kept[name] ?? variables;
  }
  if (Array.isArray(variables)) return variables.map(filled);
  if (variables && typeof variables === 'object') {
    return Object.fromEntries(Object.entries(variables).map(([key, value]) => [key, filled(value)]));
  }
  return variables;
}
