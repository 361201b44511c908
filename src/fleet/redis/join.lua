-- SPDX-License-Identifier: MIT
-- Ask for a call: have its result, wait for it, or lead it.
--
-- mode: c the call or one that ended at most max_age ago (below 0: ever), k also a
-- kept result, r only to refresh one, p whatever there is, without leading, q the
-- same of one whom nobody came for who would, g a lock without results. known: the epoch that a waiter comes back for, or 0. Replies:
--
--   HIT epoch 0 0 now R bytes        the result; only its head if that is too big
--   LEAD epoch deaths taken now [R bytes]   the caller runs it; taken 1: from
--                                    an owner that is gone; R: serve this meanwhile
--   WAIT epoch ms who inbox          ask again after ms, when the inbox says so, or the owner has ended
--   SOON epoch                       mode p: nobody runs, and one waits who leads next; as WAIT
--   NONE                             modes p, q: there is nothing, and nobody waits who would lead
--   DEAD                             the same where the owner of what the waiter comes back for is gone
--   LOST                             the owner is gone, and it must not run again
--   LOOP                             that many owners died of it: no more
--   OTHER                            another fingerprint has this key
--   CLASH                            another key has this hash
--   OVER                             this attempt had its turn, or was forgotten before its asker knew of it:
--                                    the command came late, or is to be sent with another one
local attempt, fp, key = ARGV[1], ARGV[2], ARGV[3]
local member, hint, mode = ARGV[7], ARGV[8], ARGV[9]
local lease, grace, mret = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
local known, max_deaths = tonumber(ARGV[13]), tonumber(ARGV[14])
local max_age, big, quick = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local gone = ARGV[18] -- who is known to have ended, or nothing
local alive = ARGV[19] -- who is known to be alive, or nothing
local doubts = mode == 'q'
if doubts then
	mode = 'p'
end

local m = redis.call('HMGET', M, 'e', 'o', 's', 'u', 'l', 'oa', 'ib', 'fp', 'k', 'n', 'am', 'who', 'nx', 'nu', 'f')
local e, o, s, deaths = number(m[1]), m[2], m[3], number(m[10])
local head = redis.call('GETRANGE', R, 0, HEAD - 1)
local re = tonumber(head:sub(3, 22)) or 0

if m[9] and m[9] ~= key then
	return {'CLASH'}
end
local other = fp ~= '' and m[8] and m[8] ~= '' and m[8] ~= fp

-- The reply, with R if there is one to give.
local function reply(verdict, epoch, a, b, give)
	if not give then
		return {verdict, epoch, a, b, now}
	end
	local bytes = redis.call('STRLEN', R)
	return {verdict, epoch, a, b, now, bytes <= big and redis.call('GET', R) or head, bytes}
end

local function hit()
	return other and {'OTHER'} or reply('HIT', re, 0, 0, true)
end

local who_runs, its_inbox = '', ''
if s == 'run' then
	who_runs, its_inbox = m[12] or '', m[7] or ''
end
local meanwhile = false
if known > 0 then
	if re >= known then
		return hit()
	end
elseif re > 0 and head:sub(24, 24) == '3' then -- it has run, and there was no room for what it gave
	if (mode == 'k' or mode == 'p') and now < tonumber(head:sub(76, 90)) then
		return hit()
	end
elseif re > 0 and head:sub(24, 24) == '0' then
	local fresh, good = now < tonumber(head:sub(76, 90)), now < tonumber(head:sub(92, 106))
	local age = now - tonumber(head:sub(44, 58))
	local young = max_age ~= 0 and (max_age < 0 or age <= max_age)
	if mode == 'k' and fresh or mode == 'p' and (fresh or good) or mode == 'c' and young or other and good then
		return hit()
	end
	meanwhile = (mode == 'k' or mode == 'r') and (fresh or good) and not other
end

local function stand_in_line()
	redis.call('ZADD', W, 'NX', now, member)
	redis.call('PEXPIRE', W, 600000 + 20 * lease)
end

local function wait(epoch, ms)
	if other then
		return {'OTHER'}
	elseif meanwhile then
		return hit()
	end
	stand_in_line()
	return {'WAIT', epoch, ms, who_runs, its_inbox}
end

-- This server lost the record of the run that the caller waits for: leave a
-- living owner one lease to take it back.
if e < known then
	sign_again('?', known, deaths)
	redis.call('HSET', M, 'l', lease, 'oa', whole(now))
	redis.call('HDEL', M, 'u', 'ib', 'who')
	who_runs, its_inbox = '', ''
	keep_record(mret)
	return wait(known, lease)
end

if o == attempt and s ~= 'run' or is_forgotten(m[15], attempt) then
	return {'OVER'}
elseif o == attempt then -- the reply to our first one was lost
	redis.call('HSET', M, 'u', whole(now + lease), 'l', lease, 'ib', hint)
	redis.call('HDEL', M, 'oa')
	keep_record(mret)
	return reply('LEAD', e, deaths, 0, meanwhile)
end

if s == 'run' then
	local l, left, orphaned = number(m[5]), number(m[4]) - now, tonumber(m[6] or nil)
	if left > 2 * l then -- this server's clock was set back
		left = l
		redis.call('HSET', M, 'u', whole(now + l))
	end
	local manned = alive ~= '' and alive == who_runs or
		its_inbox ~= '' and redis.call('PUBSUB', 'NUMSUB', its_inbox)[2] > 0
	local ended = gone ~= '' and gone == who_runs and left > 0 and not manned
	if left > 0 and not ended and (m[7] == '' or manned) then
		redis.call('HDEL', M, 'oa')
		return wait(e, left)
	end
	if not orphaned or orphaned > now then
		orphaned = now
		redis.call('HSET', M, 'oa', whole(now))
	end
	local pause = o == '?' and l or grace
	if o ~= '?' and left > 0 then -- an owner that lives says so as soon as its inbox breaks
		pause = ended and 0 or quick
	end
	left = orphaned + pause - now
	if left > 0 then
		return wait(e, left)
	end
	if m[11] == '1' then
		s = 'lost'
		redis.call('HSET', M, 's', s)
		keep_record(0)
	end
end
if s == 'lost' then
	wake('A ' .. hash_of_key())
	return {'LOST'}
elseif mode == 'p' then
	if one_will_lead() and not doubts then
		stand_in_line()
		return {'SOON', e}
	end
	redis.call('ZREM', W, member)
	return {s == 'run' and known > 0 and 'DEAD' or 'NONE'}
end

if mode == 'g' and s == 'idle' and m[13] and m[13] ~= member then
	local turn = tonumber(m[14]) - now
	if turn > 0 and turn <= TURN then -- or this server's clock was set back
		return wait(e, turn)
	end
end

deaths = (s == 'run' and deaths + 1) or (s == 'idle' and deaths) or 0
if max_deaths > 0 and deaths >= max_deaths then
	wake('A ' .. hash_of_key())
	return {'LOOP'}
end
e = math.max(e + 1, re + 1, known + 1, time[1] * 1000000 + time[2])
sign(attempt, e, now, deaths, 'u', whole(now + lease), 'l', lease, 'ib', hint)
redis.call('HDEL', M, 'oa', 'nx', 'nu', 'aw')
redis.call('ZREM', W, member)
keep_record(mret)
return reply('LEAD', e, deaths, s == 'run' and 1 or 0, meanwhile)
