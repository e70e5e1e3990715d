-- Takes one of the probes of a half-open breaker, for all workers together.
--
-- KEYS: the breaker, its probes. ARGV: a token, rest, number of probes, time-out of a probe (ms).
-- Answers {1 if the call may be made, opened_at (0: the breaker is closed)}. A probe that does not
-- come back in time is not waited for: its worker may have died.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local opened_at = tonumber(redis.call('HGET', KEYS[1], 'opened_at') or '0')
if opened_at == 0 then return { 1, 0 } end
if now - opened_at < tonumber(ARGV[2]) then return { 0, opened_at } end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local passed = tonumber(redis.call('HGET', KEYS[1], 'passed') or '0')
if redis.call('ZCARD', KEYS[2]) + passed >= tonumber(ARGV[3]) then return { 0, opened_at } end
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[4]), ARGV[1])
redis.call('PEXPIRE', KEYS[2], tonumber(ARGV[4]) * 2)
return { 1, opened_at }
