-- Posts events, each under an id of its own:  wrk -s post_events.lua URL -- <events in a post> <movie,movie,...>
-- One event is posted as an object, more as an array.

local threads = 0

function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
end

local kinds = { "impression", "impression", "click", "view", "watch", "like" }
local batch, movies, run, count = 1, {}, 0, 0

function init(args)
    batch = tonumber(args[1])
    for movie in string.gmatch(args[2], "%d+") do
        movies[#movies + 1] = movie
    end
    -- Another run of wrk must not send the ids of this one.
    math.randomseed(os.time() * 64 + number)
    run = math.random(0, 0xffffff)
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
end

local function event()
    count = count + 1
    return string.format(
        '{"event_id":"%06x%02x-%04x-4000-8000-%012x","user_id":%d,"movie_id":%s,"event_type":"%s"}',
        run, number % 256, math.floor(count / 0x100000000) % 0x10000, count % 0x100000000,
        count % 5000 + 1, movies[count % #movies + 1], kinds[count % #kinds + 1])
end

function request()
    if batch == 1 then
        return wrk.format(nil, nil, nil, event())
    end
    local events = {}
    for place = 1, batch do
        events[place] = event()
    end
    return wrk.format(nil, nil, nil, "[" .. table.concat(events, ",") .. "]")
end
