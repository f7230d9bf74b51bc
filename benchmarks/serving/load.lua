-- wrk goes through the requests that a file lists, each connection on its own, and prints what `wrk.py` reads.

local prepared, position = {}, 0

function init(args)
  local listed = dofile(args[1])
  for index, one in ipairs(listed.requests) do
    prepared[index] = wrk.format("POST", one.path, one.headers, one.body)
  end
  if listed.think_ms > 0 then
    math.randomseed(listed.seed)
    -- Arrivals that know nothing of one another: a connection rests for an exponential time after each answer.
    delay = function() return math.floor(-math.log(1 - math.random()) * listed.think_ms + math.random()) end
  end
end

function request()
  position = position % #prepared + 1
  return prepared[position]
end

function done(summary, latency, _requests)
  local errors = summary.errors
  io.write(string.format(
    '\nSUMMARY {"requests": %d, "microseconds": %d, "connect": %d, "read": %d, "write": %d, "status": %d, ' ..
    '"timeout": %d, "p50": %d, "p99": %d, "max": %d, "mean": %.1f}\n',
    summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.status, errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max, latency.mean))
end
