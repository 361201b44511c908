#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- The owner gives up without a result; who waits asks again, and one of them
-- leads. So does who has left, a member of W, where it was its turn. Replies 1 and how
-- many processes wait, or 0 if it was not the owner any more.
local attempt, mret, gate, left = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4]

local m = redis.call('HMGET', M, 'o', 's', 'nx')
local owned = m[1] == attempt and m[2] == 'run'
local invited = gate and left ~= '' and m[2] == 'idle' and m[3] == left
if left ~= '' then
	redis.call('ZREM', W, left)
end
if not owned and not invited then
	return {0, 0}
end
redis.call('HSET', M, 's', 'idle')
redis.call('HDEL', M, 'oa')
keep_record(mret)
return {1, gate and hand_over() or offer()}
