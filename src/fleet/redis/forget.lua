#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Void the result and the run in progress. Replies 1 if there was one of them. Who
-- runs learns of it from the record, which stays at least for the leases in which it may ask.
local mret = tonumber(ARGV[1])

local m = redis.call('HMGET', M, 'e', 'o', 's', 'f', 'l')
local had = redis.call('DEL', R)
if m[3] == 'run' and m[2] ~= '?' then
	forget_attempt(m[4], m[2])
	had = 1
end
local e = math.max(number(m[1]) + 1, time[1] * 1000000 + time[2])
redis.call('HSET', M, 'e', whole(e), 'o', '', 's', 'idle', 'n', 0)
redis.call('HDEL', M, 'oa', 'u', 'fp', 'am', 'nx', 'nu')
keep_record(math.max(mret, LEASES * number(m[5])))
offer()
return had
