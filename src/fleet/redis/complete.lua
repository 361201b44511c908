#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- The owner has a result. Replies 1 it counts, also when asked again; 0 another
-- owner's does, or will; -1 the key was forgotten.
--
-- It is the attempt that is compared: two owners can have one epoch, after a
-- failover that lost writes.
local attempt, class, payload = ARGV[1], ARGV[2], ARGV[3]
local epoch, err, delta = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local keep, stale, linger = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local mret, reclaim, inline = tonumber(ARGV[10]), ARGV[11] == '1', tonumber(ARGV[12])

local m = redis.call('HMGET', M, 'e', 'o', 's', 'f')
local e, o, s = number(m[1]), m[2], m[3]

if m[4] == attempt then
	return -1
elseif o == attempt and s == 'done' then
	return 1
end
local mine = o == attempt and (s == 'run' or s == 'lost') or s == 'run' and o == '?' and e <= epoch
	or e < epoch and reclaim
if o == attempt then -- a late command of its own may have granted it once more
	epoch = math.max(epoch, e)
end
if not mine or result_head() > epoch then
	return 0
end

local fresh_until, stale_until = 0, 0
if keep < 0 then
	fresh_until = 999999999999999
elseif keep > 0 then
	fresh_until = now + keep
	stale_until = stale > 0 and fresh_until + stale or 0
end
local result = string.format('1 %020.0f %s %011.0f %015.0f %015.0f %015.0f %015.0f\n', epoch, class, err, now, delta,
	fresh_until, stale_until) .. payload
redis.call('SET', R, result)
if keep >= 0 then
	redis.call('PEXPIRE', R, math.max(keep > 0 and keep + stale or 0, linger, 1))
end
redis.call('HSET', M, 'e', whole(epoch), 'o', attempt, 's', 'done', 'n', 0)
redis.call('HDEL', M, 'oa')
keep_record(mret)
if #payload <= inline then
	wake('R ' .. hash_of_key() .. ' ' .. result)
else
	wake('G ' .. hash_of_key())
end
return 1
