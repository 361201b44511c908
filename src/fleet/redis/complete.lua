#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- The owner has a result. Replies 1 it counts, also when asked again; 0 another
-- owner's does, or will; -1 the key was forgotten; -2 T is not whole: send it
-- again.
--
-- It is the attempt that is compared: two owners can have one epoch, after a
-- failover that lost writes. The payload is in T, behind a mark where the head
-- will be, if it is too big for a script: bytes is its length then, else 0. ending 3
-- is told where there was no room for it: what must not run twice is lost then.
local T = KEYS[4]
local attempt, once, payload, bytes = ARGV[1], ARGV[5] == '1', ARGV[7], tonumber(ARGV[8])
local epoch, deaths, ending = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]
local err, took = tonumber(ARGV[12]), tonumber(ARGV[13])
local fresh, stale, linger = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
local mret, reclaim, inline = tonumber(ARGV[17]), ARGV[18] == '1', tonumber(ARGV[19])

local m = redis.call('HMGET', M, 'e', 'o', 's', 'f')
local e, o, s = number(m[1]), m[2], m[3]

if is_forgotten(m[4], attempt) then
	return -1
elseif o == attempt and s == 'done' then
	return 1
end
local mine
if o == attempt then -- with another epoch if a late command of its own granted it again
	mine = s == 'run' or s == 'lost'
	epoch = math.max(epoch, e)
else
	mine = s == 'run' and o == '?' and e <= epoch or e < epoch and reclaim
end
if not mine or result_epoch() > epoch then
	return 0
end
if bytes > 0 and
	(redis.call('STRLEN', T) ~= HEAD + bytes or redis.call('GETRANGE', T, 0, HEAD - 1) ~= string.rep('-', HEAD)) then
	return -2
end

local function until_end(ms)
	return ms < 0 and FOREVER or now + ms
end
local head = string.format('1 %020.0f %s %011.0f %05.0f %015.0f %015.0f %015.0f %015.0f\n', epoch, ending, err, deaths,
	now, math.min(took, FOREVER), until_end(fresh), until_end(stale))
if bytes > 0 then
	redis.call('SETRANGE', T, 0, head)
	redis.call('RENAME', T, R)
else
	redis.call('SET', R, head .. payload)
end
if ending == '3' then
	redis.call('DEL', T)
end
if fresh < 0 or stale < 0 or linger < 0 then
	redis.call('PERSIST', R)
else
	redis.call('PEXPIRE', R, math.max(fresh, stale, linger, 1))
end
local lost = ending == '3' and once
if o ~= attempt then
	sign_again(attempt, epoch, deaths)
end
redis.call('HSET', M, 'e', whole(epoch), 's', lost and 'lost' or 'done', 'n', 0)
redis.call('HDEL', M, 'oa')
keep_record(lost and 0 or mret)
if bytes == 0 and #payload <= inline then
	wake('R ' .. hash_of_key() .. ' ' .. head .. payload)
else
	wake('G ' .. hash_of_key())
end
return 1
