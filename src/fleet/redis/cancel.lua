#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- The run in progress is to end: its owner is told by its next renewal. Replies 1,
-- or 0 if there is none, or none of that epoch where one is given.
local epoch = tonumber(ARGV[1])

local m = redis.call('HMGET', M, 'o', 's', 'e')
if m[2] ~= 'run' or m[1] == '?' or epoch > 0 and number(m[3]) ~= epoch then
	return 0
end
redis.call('HSET', M, 'x', m[1])
return 1
