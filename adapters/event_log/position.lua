-- KEYS: the account's numbering, its stream. ARGV: seconds to keep a log that is begun here.
local known = redis.call('HGET', KEYS[1], 'sequence')
if known and known ~= '0' and not newest(KEYS[2]) then
  redis.call('DEL', KEYS[1]) -- nobody can go on from a place whose events were evicted
end
return join(account_position(KEYS[1], KEYS[2], tonumber(ARGV[1])))
