-- Returns the live text of a story as a flat list of names and values.
-- KEYS: the story's stream, its live text.
if redis.call('HEXISTS', KEYS[2], 'chapters') == 0 then
  redis.call('DEL', KEYS[1]) -- events that go on from a text nobody has are no log
end
return redis.call('HGETALL', KEYS[2])
