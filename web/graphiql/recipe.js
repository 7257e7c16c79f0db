// From sign-up to a story in the library: one tab a step. Words in angle brackets are filled in by
// the page with what earlier steps answered; only the code comes by mail.

const REFUSAL = `    ... on Refusal {
      code
      message
      path
    }`;

const variables = (value) => JSON.stringify(value, null, 2);

const EMAIL = 'reader@example.com';
const PASSWORD = 'violet lantern harbour';

export const RECIPE = [
  {
    query: `# 1 of 6: sign up. A code is mailed to the
# address; \`make run\` said where the inbox is.
mutation SignUp($input: SignUpInput!) {
  signUp(input: $input) {
    ... on SignUpSuccess {
      challenge {
        id
        email
        expiresAt
      }
    }
${REFUSAL}
  }
}
`,
    variables: variables({
      input: { email: EMAIL, password: PASSWORD, displayName: 'Mila', interests: ['foxes', 'the sea'] },
    }),
  },
  {
    query: `# 2 of 6: prove the address with the code
# from the mail: put it into the variables.
mutation VerifyOtp($input: VerifyOtpInput!) {
  verifyOtp(input: $input) {
    ... on VerifyOtpSuccess {
      account {
        email
        verifiedAt
      }
    }
${REFUSAL}
  }
}
`,
    variables: variables({ input: { challengeId: '<challengeId>', code: '000000' } }),
  },
  {
    query: `# 3 of 6: log in. This page keeps the access
# token, and sends it from now on.
mutation LogIn($input: LogInInput!) {
  logIn(input: $input) {
    ... on LogInSuccess {
      account {
        displayName
      }
      tokens {
        accessToken
        accessExpiresAt
        refreshToken
      }
    }
${REFUSAL}
  }
}
`,
    variables: variables({ input: { email: EMAIL, password: PASSWORD } }),
  },
  {
    query: `# 4 of 6: ask for a story. All is optional.
mutation RequestStory($input: RequestStoryInput!) {
  requestStory(input: $input) {
    ... on RequestStorySuccess {
      story {
        id
        status
        place
      }
    }
${REFUSAL}
  }
}
`,
    variables: variables({
      input: {
        audience: 'EARLY_READER',
        genre: 'ADVENTURE',
        setting: 'a lighthouse at the edge of the map',
        themes: ['courage'],
        characters: [{ name: 'Pip', role: 'a small fox', traits: ['curious'] }],
      },
    }),
  },
  {
    query: `# 5 of 6: watch it being written; the newest
# event stands first.
subscription StoryEvents($storyId: ID!, $after: Cursor) {
  storyEvents(storyId: $storyId, after: $after) {
    __typename
    cursor
    ... on StorySnapshot {
      story {
        status
        text
      }
    }
    ... on StoryQueued {
      place
    }
    ... on StoryStageChanged {
      stage
    }
    ... on ChapterStarted {
      chapter
      of
      title
    }
    ... on TextAppended {
      text
    }
    ... on ChapterCompleted {
      chapter
      words
    }
    ... on StoryReady {
      words
    }
    ... on StoryFailed {
      code
      message
    }
  }
}
`,
    variables: variables({ storyId: '<storyId>' }),
  },
  {
    query: `# 6 of 6: the library. The story is in the
# mail, too.
query Library {
  viewer {
    displayName
    stories(first: 5) {
      totalCount
      nodes {
        title
        status
        storyteller
        words
        text
      }
    }
  }
}
`,
  },
];
