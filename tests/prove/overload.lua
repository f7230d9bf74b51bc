-- wrk goes through the requests that a file lists and prints what `overload.py` reads. Unlike benchmarks/serving/load.lua it
-- counts answers by status: refusals are no errors here.

local prepared, position, threads = {}, 0, {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local listed = dofile(args[1])
  for index, one in ipairs(listed.requests) do
    prepared[index] = wrk.format("POST", one.path, one.headers, one.body)
  end
  counts = {}
  if listed.think_ms > 0 then
    math.randomseed(listed.seed)
    delay = function() return math.floor(-math.log(1 - math.random()) * listed.think_ms + math.random()) end
  end
end

function request()
  position = position % #prepared + 1
  return prepared[position]
end

function response(status, _headers, _body)
  local key = tostring(status)
  counts[key] = (counts[key] or 0) + 1
end

function done(summary, latency, _requests)
  local listed, admitted, total, errors = {}, 0, 0, summary.errors
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("counts")) do
      table.insert(listed, string.format('"%s": %d', status, count))
      total = total + count
      if status == "200" then admitted = admitted + count end
    end
  end
  -- At most one admitted in a hundred took longer: no more of all did. A bound from above, as refusals are quick.
  local bound = total > 0 and latency:percentile(100 - admitted / total) or 0
  io.write(string.format(
    '\nSUMMARY {"microseconds": %d, "statuses": {%s}, "failed": %d, "p99": %d}\n',
    summary.duration, table.concat(listed, ", "),
    errors.connect + errors.read + errors.write + errors.timeout, bound))
end
