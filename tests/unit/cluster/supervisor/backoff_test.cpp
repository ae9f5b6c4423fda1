#include "cluster/supervisor/backoff.hpp"

#include <catch2/catch.hpp>

using namespace epic::cluster;
using namespace std::chrono_literals;

TEST_CASE("backoff: delays double up to the limit", "[cluster]") {
  Backoff backoff{{100ms, 1s, 1min}};
  std::chrono::steady_clock::time_point now{};
  std::vector<std::chrono::milliseconds> delays;
  for (int i = 0; i < 6; ++i) delays.push_back(backoff.next_delay(now, now + 1s));
  CHECK(delays == std::vector<std::chrono::milliseconds>{100ms, 200ms, 400ms, 800ms, 1s, 1s});
}

TEST_CASE("backoff: a node that ran for long is restarted at once", "[cluster]") {
  Backoff backoff{{100ms, 1s, 1min}};
  const std::chrono::steady_clock::time_point start{};
  CHECK(backoff.next_delay(start, start + 1s) == 100ms);
  CHECK(backoff.next_delay(start, start + 59s) == 200ms);
  CHECK(backoff.next_delay(start, start + 60s) == 100ms);
}
