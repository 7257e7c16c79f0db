-- Appends one event to its story's log and to its account's, and announces it, in one step.
-- Returns its cursor in the story's log, 'refused', or 'seed' when the live text must come whole.
--
-- KEYS: the story's stream, its live text, the account's stream, its numbering.
local stream, live, account, numbering = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local epoch = tonumber(ARGV[1])
local sequence = tonumber(ARGV[2]) -- 0: the next, as who appends does not number this epoch
local payload = ARGV[3]
local ending = ARGV[4] -- how the event ends its story; '' where it does not
local stored = ARGV[5] -- how many chapters the log must know to be complete; '' where unknown
local mode = ARGV[6] -- what happens to the live text: 'append', 'reset' or 'keep'
local length = tonumber(ARGV[7]) -- append: bytes that must be there before
local chapters, chapter, title, text = ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local story_events, account_events = ARGV[12], ARGV[13]
local seconds = tonumber(ARGV[14])

local last = newest(stream)
local last_epoch, last_sequence = -1, 0
if last then
  last_epoch, last_sequence = split(last[1])
  if last[2][3] == 'end' and epoch <= last_epoch then
    -- A later attempt opens it again: the story was retried. Of one that waits for it others tell.
    if not (last[2][4] == 'story_failed' and epoch == last_epoch and sequence == 0) then
      return 'refused'
    end
  end
end
if epoch < last_epoch then
  return 'refused' -- another attempt has the story
end

if sequence == 0 then
  if epoch == last_epoch then
    sequence = last_sequence + 1
  else
    sequence = microseconds() -- where the count stood nobody knows: this number nobody has seen
  end
elseif epoch == last_epoch and sequence <= last_sequence then
  return join(epoch, sequence) -- it is here: only the answer was lost
end

if mode == 'append' then
  local known = redis.call('HMGET', live, 'chapters', 'chapter')
  if known[1] ~= chapters or known[2] ~= chapter or redis.call('HSTRLEN', live, 'text') ~= length then
    return 'seed'
  end
end

-- A log that missed the end of a chapter must not look whole: a number is left out.
if stored ~= '' and last and redis.call('HGET', live, 'chapters') ~= stored then
  sequence = sequence + 1
end
local whole
if epoch == last_epoch then
  whole = sequence == last_sequence + 1
else
  whole = sequence == 1 and (last ~= nil or epoch <= 1)
end

local cursor = join(epoch, sequence)
if mode == 'append' then
  redis.call('HSET', live, 'cursor', cursor, 'text', redis.call('HGET', live, 'text') .. text)
elseif mode == 'reset' then
  redis.call('HSET', live, 'cursor', cursor,
    'chapters', chapters, 'chapter', chapter, 'title', title, 'text', text)
elseif redis.call('HEXISTS', live, 'chapters') == 1 then
  redis.call('HSET', live, 'cursor', cursor)
else
  redis.call('HSET', live, 'cursor', cursor,
    'chapters', chapters, 'chapter', '0', 'title', '', 'text', '')
end
redis.call('EXPIRE', live, seconds)

local entry = { 'event', payload }
if ending ~= '' then
  entry[3], entry[4] = 'end', ending
end
redis.call('XADD', stream, 'MAXLEN', '~', story_events, cursor, unpack(entry))
redis.call('EXPIRE', stream, seconds)

local account_epoch, account_sequence = account_position(numbering, account, seconds)
account_sequence = account_sequence + (whole and 1 or 2) -- what its story misses, it misses too
local account_cursor = join(account_epoch, account_sequence)
redis.call('HSET', numbering, 'sequence', string.format('%.0f', account_sequence))
redis.call('EXPIRE', numbering, seconds)
redis.call('XADD', account, 'MAXLEN', '~', account_events, account_cursor,
  'event', payload, 'origin', cursor)
redis.call('EXPIRE', account, seconds)

redis.call('PUBLISH', stream, cursor .. ' ' .. cursor .. ' ' .. payload)
redis.call('PUBLISH', account, account_cursor .. ' ' .. cursor .. ' ' .. payload)
return cursor
