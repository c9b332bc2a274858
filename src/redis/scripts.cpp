#include "scripts.hpp"

namespace weir::redis {
namespace {

// As quota::Gcra: the key holds when all of the burst is there again.
constexpr std::string_view kGcra = R"(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each, depth = tonumber(ARGV[1]), tonumber(ARGV[2])
local want, least = tonumber(ARGV[3]), tonumber(ARGV[4])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
full = math.min(full, now + depth)
local room = math.floor((depth - (full - now)) / each + 0.000001)
local got = math.min(want, room)
if got < least then got = 0 end
if got > 0 then
  full = full + got * each
  redis.call('SET', KEYS[1], string.format('%.17g', full), 'PX', math.ceil((full - now) / 1000) + 1)
end
local again = 0
if got < want then again = math.max(least * each - (depth - (full - now)), 0) end
return {got, math.ceil(again), room - got, math.ceil(full - now)}
)";

// As quota::SlidingWindow: the key holds the number of a window, its count and the one before.
constexpr std::string_view kSlidingWindow = R"(
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local want, least = tonumber(ARGV[3]), tonumber(ARGV[4])
local index = math.floor(now / window)
local passed = (now % window) / window
local count, before = 0, 0
local known = redis.call('GET', KEYS[1])
if known then
  local i, c, b = string.match(known, '^(%d+) (%d+) (%d+)$')
  i = tonumber(i)
  if i == index then count, before = tonumber(c), tonumber(b) end
  if i == index - 1 then before = tonumber(c) end
end
local room = math.max(math.floor(limit - before * (1 - passed) - count + 0.000001), 0)
local got = math.min(want, room)
if got < least then got = 0 end
if got > 0 then
  count = count + got
  redis.call('SET', KEYS[1], string.format('%d %d %d', index, count, before),
             'PX', math.ceil(window * 2 / 1000))
end
local again = 0
if got < want then
  local at = 1
  if count + least <= limit then
    if before > 0 then at = 1 - (limit - count - least) / before end
  else
    at = 2 - (limit - least) / count
  end
  again = math.max(at - passed, 0) * window
end
local reset = 0
if count + before > 0 then reset = ((count > 0 and 2 or 1) - passed) * window end
return {got, math.ceil(again), room - got, math.ceil(reset)}
)";

}  // namespace

std::string_view text_of(Script script) {
    return script == Script::gcra ? kGcra : kSlidingWindow;
}

}  // namespace weir::redis
