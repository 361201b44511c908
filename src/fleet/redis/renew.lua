#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- The owner lives. Replies {1 it has the lease, 2 it took its record back,
-- 0 it lost, -1 the key was forgotten; how many processes wait; 1 if it has it,
-- and is to end}.
--
-- Epochs only grow: a record with a smaller one than the owner's, or none, is
-- what a server has that lost writes.
local attempt, hint, epoch, deaths = ARGV[1], ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local lease, mret, reclaim = tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[12] == '1'

local m = redis.call('HMGET', M, 'e', 'o', 's', 'f', 'x')
local e, o, s = number(m[1]), m[2], m[3]
local reply

if is_forgotten(m[4], attempt) then
	return {-1, 0}
elseif o == attempt and (s == 'run' or s == 'lost' and result_epoch() < e) then
	reply = 1
elseif o ~= attempt and result_epoch() < epoch
		and (s == 'run' and o == '?' and e <= epoch or e < epoch and reclaim) then
	reply = 2
	sign_again(attempt, epoch, deaths)
else
	return {0, 0}
end
redis.call('HSET', M, 's', 'run', 'u', whole(now + lease), 'l', lease, 'ib', hint)
redis.call('HDEL', M, 'oa')
keep_record(mret)

-- Who died while it waited has no subscriber any more. One who has lost only its
-- inbox comes back with its next question.
local waiting = redis.call('ZCARD', W)
if waiting > 0 and waiting <= 64 then
	for _, member in ipairs(redis.call('ZRANGE', W, 0, -1)) do
		if not lives(member) then
			redis.call('ZREM', W, member)
			waiting = waiting - 1
		end
	end
end
return {reply, waiting, m[5] == attempt and 1 or 0}
