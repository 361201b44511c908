#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- The run in progress is to end: its owner is told by its next renewal. Replies 1,
-- or 0 if there is none.
local m = redis.call('HMGET', M, 'o', 's')
if m[2] ~= 'run' or m[1] == '?' then
	return 0
end
redis.call('HSET', M, 'x', m[1])
return 1
