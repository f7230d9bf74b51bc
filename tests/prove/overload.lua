-- As benchmarks/serving/load.lua, but answers are counted by status, since refusals are no errors here; prints what
-- `overload.py` reads.

local root = debug.getinfo(1, "S").source:match("^@(.*)tests/prove/")
dofile(root .. "benchmarks/serving/load.lua")

local threads = {}
counts = {}

function setup(thread)
  table.insert(threads, thread)
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
