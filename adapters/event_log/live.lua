-- Returns the live text of a story as a flat list of names and values.
-- KEYS: the story's stream, its live text.
--
-- Redis may evict one of the two, or be short of memory for it: text without the events that go
-- on from it is of no use, nor are events without their text. Then the log counts as lost.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local known = redis.call('HMGET', KEYS[2], 'cursor', 'chapters')
if not (last and known[2] and known[1] == last[1]) then
  redis.call('DEL', KEYS[1], KEYS[2])
end
return redis.call('HGETALL', KEYS[2])
