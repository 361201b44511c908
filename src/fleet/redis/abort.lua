#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- The owner gives up without a result; who waits asks again, and one of them
-- leads. Replies 1 and how many processes wait, or 0 if it was not the owner any more.
local attempt, mret = ARGV[1], tonumber(ARGV[2])

local m = redis.call('HMGET', M, 'o', 's')
if m[1] ~= attempt or m[2] ~= 'run' then
	return {0, 0}
end
redis.call('HSET', M, 's', 'idle')
redis.call('HDEL', M, 'oa')
keep_record(mret)
return {1, wake('A ' .. hash_of_key())}
