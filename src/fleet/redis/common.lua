-- SPDX-License-Identifier: MIT
-- What every script begins with. The keys of one call, in one slot:
--
--   M  hash    the record: e epoch, o attempt of the owner, s state, u end of
--              the lease and l its length (ms of this server's clock), ib inbox
--              of the owner, oa since when it seems gone, n how many owners in
--              a row died, am 1: nobody takes over, f the attempts that were
--              forgotten last, x the one that is to end, fp fingerprint, k the user's key
--              (256 bytes of it) and ks its size, who has it, at since when, nx the
--              member of W whose turn it is until nu, aw until when who was woken
--              has to come
--   R  string  the result: a head of 107 bytes, then the payload
--   W  zset    who waits, by since when: the inbox of a process; with a blank and the
--              attempt behind it for each of its gates, or p for those who never lead
--   T  string  the result of one attempt as long as it is being sent
--
-- s: run, done, idle (nobody has it), lost (the owner of a call that must not
-- run twice is gone). o is ? in a record that a waiter wrote because this
-- server had lost the owner's.
local M, R, W = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local HEAD = 107
local FOREVER = 999999999999999
local FORGOTTEN = 16 * 33 -- bytes: so many attempts, each with a blank
local LEASES = 20 -- as in engine.c: so many may an owner be silent, and take its record back
local TURN = 250 -- ms: so far away may who is next be
local NEVER_LEADS = ' p'

-- As a string; Lua itself would print 1.79e+15 for a number of that size. It
-- is exact up to 2^53, in microseconds the year 2255.
local function whole(n)
	return string.format('%.0f', n)
end

local function number(field)
	return tonumber(field or 0) or 0
end

-- Whose the record is, and for what: ARGV[2] to ARGV[6] of join, renew and complete; and more fields.
local function sign(attempt, epoch, at, deaths, ...)
	redis.call('HSET', M, 'e', whole(epoch), 'o', attempt, 's', 'run', 'n', deaths, 'at', whole(at),
		'fp', ARGV[2], 'k', ARGV[3], 'ks', ARGV[4], 'am', ARGV[5], 'who', ARGV[6], ...)
end

-- The same of a record that this server has lost. An epoch tells when its run began, unless
-- this server's clock was set back.
local function sign_again(attempt, epoch, deaths)
	sign(attempt, epoch, math.min(math.floor(epoch / 1000), now), deaths)
end

-- The owner goes on, and learns of it when it renews. By then another one may have
-- been forgotten, too.
local function forget_attempt(forgotten, attempt)
	redis.call('HSET', M, 'f', (attempt .. ' ' .. (forgotten or '')):sub(1, FORGOTTEN))
end

local function is_forgotten(forgotten, attempt)
	return (forgotten or ''):find(attempt, 1, true) ~= nil
end

-- The epoch of R; 0 without one.
local function result_epoch()
	return tonumber(redis.call('GETRANGE', R, 2, 21)) or 0
end

-- For mret, or ever if that is 0, and as long as R. What another one's longer lease has
-- asked for stays: a record that is missing while that one may take it back was lost.
local function keep_record(mret)
	local result = redis.call('PTTL', R)
	if mret == 0 or result == -1 then
		redis.call('PERSIST', M)
	else
		redis.call('PEXPIRE', M, math.max(mret, result, redis.call('PTTL', M)))
	end
end

local function inbox_of(member)
	return member:match('^%S+')
end

local function lives(member)
	return redis.call('PUBSUB', 'NUMSUB', inbox_of(member))[2] > 0
end

local function never_leads(member)
	return member:sub(-2) == NEVER_LEADS
end

local function is_near(field)
	local left = number(redis.call('HGET', M, field)) - now
	return left > 0 and left <= TURN
end

-- Does one of those who wait, or have just been told to come, lead next?
local function one_will_lead()
	for _, member in ipairs(redis.call('ZRANGE', W, 0, -1)) do
		if not never_leads(member) and lives(member) then
			return true
		end
	end
	return is_near('aw') or is_near('nu')
end

-- Tell the processes that wait. An ACL without the channels must not undo what
-- was decided: they find out by themselves, a little later. Returns how many.
local function wake(message)
	local members = redis.call('ZRANGE', W, 0, -1)
	for _, member in ipairs(members) do
		redis.pcall('PUBLISH', inbox_of(member), message)
	end
	redis.call('DEL', W)
	return #members
end

local function hash_of_key()
	return M:match('{(.-)}')
end

-- Nobody has it: who waits asks again, and one of them leads. Who does not lead waits
-- for that one to come. Returns how many waited.
local function offer()
	if one_will_lead() then
		redis.call('HSET', M, 'aw', whole(now + TURN))
	end
	return wake('A ' .. hash_of_key())
end

-- A lock goes to who has waited the longest, of those that live and would have it;
-- it is told, and has a while to come, however near others are. They wait on. Returns
-- how many waited.
local function hand_over()
	local members = redis.call('ZRANGE', W, 0, -1)
	redis.call('HDEL', M, 'nx', 'nu')
	for _, member in ipairs(members) do
		local leads = not never_leads(member)
		if leads then
			redis.call('ZREM', W, member)
		end
		if leads and lives(member) then
			redis.call('HSET', M, 'nx', member, 'nu', whole(now + TURN))
			redis.pcall('PUBLISH', inbox_of(member), 'A ' .. hash_of_key())
			break
		end
	end
	return #members
end
