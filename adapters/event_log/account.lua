-- The numbering of an account's log: kept beside its stream, so that it survives trimming.
-- Its epoch is the moment it was begun, in microseconds since 2025-01-01: no two are alike.

local function microseconds()
  local time = redis.call('TIME')
  return (tonumber(time[1]) - 1735689600) * 1000000 + tonumber(time[2])
end

local function split(cursor)
  local dash = string.find(cursor, '-', 1, true)
  return tonumber(string.sub(cursor, 1, dash - 1)), tonumber(string.sub(cursor, dash + 1))
end

local function join(epoch, sequence)
  return string.format('%.0f-%.0f', epoch, sequence)
end

local function newest(stream)
  return redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
end

-- Returns epoch and sequence of the newest event; sequence 0 where the log was just begun.
local function account_position(numbering, stream, seconds)
  local known = redis.call('HMGET', numbering, 'epoch', 'sequence')
  if known[1] then
    return tonumber(known[1]), tonumber(known[2])
  end
  local epoch, last = microseconds(), newest(stream)
  if last then
    local last_epoch = split(last[1])
    epoch = math.max(epoch, last_epoch + 1)
  end
  redis.call('HSET', numbering, 'epoch', string.format('%.0f', epoch), 'sequence', 0)
  redis.call('EXPIRE', numbering, seconds)
  return epoch, 0
end
