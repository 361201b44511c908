-- SPDX-License-Identifier: MIT
-- Ask for a call: have its result, wait for it, or lead it.
--
-- mode: c this call or a later one, k also a kept result, r only to refresh one.
-- known: the epoch that a waiter comes back for, or 0. Replies:
--
--   HIT epoch 0 R       the result
--   STALE epoch 0 R     an old one, while somebody else gets a new one
--   LEAD epoch n [R]    the caller runs it, the n-th try; R: serve this meanwhile
--   WAIT epoch ms       ask again after ms, or when the inbox says so
--   BUSY epoch ms       mode r: somebody else does it
--   LOST epoch n        the owner is gone, and it must not run again
--   LOOP epoch n        n runs gave no result: no more
--   OTHER               another fingerprint has this key
--   CLASH               another key has this hash
--   OVER                this attempt had its turn: an old command came late
local attempt, inbox, hint, mode, fp, key, who = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local lease, grace, mret = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local known, max_runs, takeover = tonumber(ARGV[11]), tonumber(ARGV[12]), ARGV[13] == '1'

local m = redis.call('HMGET', M, 'e', 'o', 's', 'u', 'l', 'oa', 'ib', 'fp', 'k', 'n')
local e, o, s, n = number(m[1]), m[2], m[3], number(m[10])
local re, fresh_until, stale_until = result_head()

if m[9] and m[9] ~= key then
	return {'CLASH'}
end
if fp ~= '' and m[8] and m[8] ~= '' and m[8] ~= fp and (s == 'run' or re > 0) then
	return {'OTHER'}
end

local stale = false
if known > 0 then
	if re >= known then
		return {'HIT', re, 0, redis.call('GET', R)}
	end
elseif mode == 'k' and re > 0 then
	if now < fresh_until then
		return {'HIT', re, 0, redis.call('GET', R)}
	end
	stale = now < stale_until and redis.call('GET', R)
end

local function wait(epoch, ms)
	if stale then
		return {'STALE', re, 0, stale}
	elseif mode == 'r' then
		return {'BUSY', epoch, ms}
	end
	redis.call('SADD', W, inbox)
	redis.call('PEXPIRE', W, 600000 + 20 * lease)
	return {'WAIT', epoch, ms}
end

-- This server lost the record of the run that the caller waits for: leave a
-- living owner one lease to take it back.
if e < known then
	redis.call('HSET', M, 'e', whole(known), 'o', '?', 's', 'run', 'l', lease, 'oa', whole(now), 'k', key, 'fp', fp)
	redis.call('HDEL', M, 'u')
	keep_record(mret)
	return wait(known, lease)
end

if o == attempt and s ~= 'run' then
	return {'OVER'}
elseif o == attempt then -- the reply to our first one was lost
	redis.call('HSET', M, 'u', whole(now + lease), 'l', lease, 'ib', hint)
	redis.call('HDEL', M, 'oa')
	keep_record(mret)
	return {'LEAD', e, n}
end

if s == 'run' then
	local l, left, orphaned = number(m[5]), number(m[4]) - now, tonumber(m[6] or nil)
	if left > 2 * l then -- this server's clock was set back
		left = l
		redis.call('HSET', M, 'u', whole(now + l))
	end
	if left > 0 and (m[7] == '' or redis.call('PUBSUB', 'NUMSUB', m[7])[2] > 0) then
		redis.call('HDEL', M, 'oa')
		return wait(e, left)
	end
	if not orphaned or orphaned > now then
		orphaned = now
		redis.call('HSET', M, 'oa', whole(now))
	end
	left = orphaned + (o == '?' and l or grace) - now
	if left > 0 then
		return wait(e, left)
	end
	if not takeover then
		redis.call('HSET', M, 's', 'lost')
	end
end
if not takeover and (s == 'run' or s == 'lost') then
	return {'LOST', e, n}
end

n = s and s ~= 'done' and n + 1 or 1
if max_runs > 0 and n > max_runs then
	return {'LOOP', e, n - 1}
end
e = math.max(e + 1, re + 1, known + 1, time[1] * 1000000 + time[2])
redis.call('HSET', M, 'e', whole(e), 'o', attempt, 's', 'run', 'u', whole(now + lease), 'l', lease, 'ib', hint,
	'n', n, 'fp', fp, 'k', key, 'who', who)
redis.call('HDEL', M, 'oa')
redis.call('SREM', W, inbox)
keep_record(mret)
return {'LEAD', e, n, stale or nil}
