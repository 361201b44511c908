#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- The owner gives up without a result; who waits asks again, and one of them
-- leads. Replies 1, or 0 if it was not the owner any more.
local attempt, counted, mret = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3])

local m = redis.call('HMGET', M, 'o', 's', 'n')
if m[1] ~= attempt or m[2] ~= 'run' then
	return 0
end
redis.call('HSET', M, 's', 'idle', 'n', counted and number(m[3]) or math.max(number(m[3]) - 1, 0))
redis.call('HDEL', M, 'oa')
keep_record(mret)
wake('A ' .. hash_of_key())
return 1
