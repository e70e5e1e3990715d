-- One worker tells what its calls were like since it last did, and is told how each breaker stands.
--
-- KEYS[1]: what all keys begin with. ARGV[1]: settings, ARGV[2]: a list of reports, both JSON.
-- Answers, in JSON too, with the time, then for each report {opened_at, closed_at, probes in use or
-- passed, and calls, failures, slow, latency of the window and of the memory}; milliseconds by the
-- clock of Redis, 0 for never.
--
-- A window, and the longer memory, is a hash of counts by slot of time. `opened_at` names one rest:
-- a probe that was claimed in another one says nothing.
local settings, reports = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function add(key, counts, terms)
    if counts.c == 0 then return end
    local slot = math.floor(now / terms.slot_ms)
    for kind, count in pairs(counts) do
        if count > 0 then redis.call('HINCRBY', key, slot .. kind, count) end
    end
    redis.call('PEXPIRE', key, terms.slots * terms.slot_ms * 2)
end

-- From the newest slot back, until there are enough calls.
local function sum(key, terms)
    local last = math.floor(now / terms.slot_ms)
    local first = last - terms.slots + 1
    local found, slots = redis.call('HGETALL', key), {}
    for i = 1, #found, 2 do
        local at, kind = string.match(found[i], '^(%d+)(%a)$')
        at = tonumber(at)
        if at < first then
            redis.call('HDEL', key, found[i])
        else
            slots[at] = slots[at] or {}
            slots[at][kind] = tonumber(found[i + 1])
        end
    end
    local all = { c = 0, f = 0, s = 0, t = 0 }
    for at = last, first, -1 do
        if slots[at] and all.c < terms.calls then
            for kind, count in pairs(slots[at]) do all[kind] = all[kind] + count end
        end
    end
    return all
end

local function too_bad(all)
    return all.c >= settings.min_calls
        and (all.f * 100 >= settings.failure_percent * all.c or all.s * 100 >= settings.slow_percent * all.c)
end

local function open(key)
    redis.call('HSET', key, 'opened_at', now, 'passed', 0)
    redis.call('DEL', key .. ':probes')
end

local function close(key)
    redis.call('HDEL', key, 'opened_at', 'passed')
    redis.call('HSET', key, 'closed_at', now)
    redis.call('DEL', key .. ':probes', key .. ':window', key .. ':memory')
end

local function probed(key, report)
    for _, token in ipairs(report.returned) do redis.call('ZREM', key .. ':probes', token) end
    if report.probes_failed > 0 then
        open(key)
    elseif report.probes_passed > 0
        and redis.call('HINCRBY', key, 'passed', report.probes_passed) >= settings.probes then
        close(key)
    end
end

local answers = { now }
for _, report in ipairs(reports) do
    local key = KEYS[1] .. report.key
    local window = key .. ':window'
    local opened_at = tonumber(redis.call('HGET', key, 'opened_at') or '0')
    if opened_at ~= 0 and opened_at == report.opened_at then probed(key, report) end
    local memory = key .. ':memory'
    add(window, report.window, settings.window)
    add(memory, report.memory, settings.memory)
    local all, past = sum(window, settings.window), sum(memory, settings.memory)
    if opened_at == 0 and (report.open or too_bad(all)) then open(key) end
    local stands = redis.call('HMGET', key, 'opened_at', 'closed_at', 'passed')
    local probes = redis.call('ZCOUNT', key .. ':probes', now, '+inf')
    if stands[1] or stands[2] then redis.call('PEXPIRE', key, settings.forget_ms) end
    answers[#answers + 1] = {
        tonumber(stands[1] or '0'), tonumber(stands[2] or '0'), tonumber(stands[3] or '0') + probes,
        all.c, all.f, all.s, all.t, past.c, past.f, past.s, past.t,
    }
end
return cjson.encode(answers)
