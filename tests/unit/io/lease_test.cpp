#include "io/lease.hpp"

#include <catch2/catch.hpp>
#include <chrono>

using namespace epic::io;
using namespace std::chrono_literals;

namespace {

struct CountedClock final : Clock {
  BootTime now{100s};
  mutable int reads = 0;
  std::int64_t monotonic_ns() const override { return 0; }
  std::int64_t wall_ns() const override { return 0; }
  BootTime boot_now() const override {
    ++reads;
    return now;
  }
};

}  // namespace

TEST_CASE("lease: without one everything is valid, and no clock is read", "[io]") {
  const CountedClock clock;
  Lease lease(clock, LeaseMode::none);
  CHECK_FALSE(lease.exists());
  CHECK(lease.is_valid());
  lease.renew(BootTime(1s));
  CHECK(lease.is_valid());
  CHECK(clock.reads == 0);
}

TEST_CASE("lease: valid from the first renewal until its time, which no older renewal shortens", "[io]") {
  CountedClock clock;
  Lease lease(clock, LeaseMode::leased);
  CHECK(lease.exists());
  CHECK_FALSE(lease.is_valid());
  lease.renew(BootTime(110s));
  lease.renew(BootTime(105s));
  clock.now = BootTime(110s) - 1ns;
  CHECK(lease.is_valid());
  clock.now = BootTime(110s);
  CHECK_FALSE(lease.is_valid());
  lease.renew(BootTime(120s));
  CHECK(lease.is_valid());
  lease.renew(BootTime::max());
  CHECK(lease.exists());
}

TEST_CASE("clock: the boot clock is that of the machine, and goes on", "[io]") {
  const BootTime before = kSystemClock.boot_now();
  CHECK(before.time_since_epoch() >= std::chrono::nanoseconds(monotonic_ns()) - 1s);  // the same, and time asleep
  CHECK(kSystemClock.boot_now() >= before);
}
