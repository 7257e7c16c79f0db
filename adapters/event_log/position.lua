-- KEYS: the account's numbering, its stream. ARGV: seconds to keep a log that is begun here.
return join(account_position(KEYS[1], KEYS[2], tonumber(ARGV[1])))
