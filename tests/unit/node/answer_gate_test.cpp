#include "node/answer_gate.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <vector>

using namespace epic;
using namespace epic::node;
using namespace std::chrono_literals;

namespace {

struct StoppedClock final : io::Clock {
  io::BootTime now{100s};
  std::int64_t monotonic_ns() const override { return 0; }
  std::int64_t wall_ns() const override { return 0; }
  io::BootTime boot_now() const override { return now; }
};

struct AnswerGateFixture {
  StoppedClock clock;
  io::Lease lease{clock, io::LeaseMode::leased};
  std::vector<std::uint64_t> sent;
  AnswerGate gate{lease,
                  [this](const protocol::FromNode& answer) { sent.push_back(std::get<protocol::Answer>(answer).id); }};
  void answer(std::uint64_t id) { gate.send(protocol::Answer{.id = id, .body = {}}); }
};

}  // namespace

TEST_CASE("answer gate: answers wait while the lease is over, and leave in order when it is back", "[node]") {
  AnswerGateFixture f;
  f.lease.renew(io::BootTime(110s));
  f.answer(1);
  CHECK(f.sent == std::vector<std::uint64_t>{1});

  f.clock.now = io::BootTime(111s);
  f.answer(2);
  f.answer(3);
  f.gate.on_renewed();  // too late
  CHECK(f.sent == std::vector<std::uint64_t>{1});

  f.lease.renew(io::BootTime(120s));
  f.answer(4);
  CHECK(f.sent == std::vector<std::uint64_t>{1, 2, 3, 4});

  f.clock.now = io::BootTime(121s);
  f.answer(5);
  f.lease.renew(io::BootTime(130s));
  f.gate.on_renewed();
  CHECK(f.sent.size() == 5);
}

TEST_CASE("answer gate: without a lease nothing waits", "[node]") {
  StoppedClock clock;
  const io::Lease lease(clock, io::LeaseMode::none);
  int sent = 0;
  AnswerGate gate(lease, [&](const protocol::FromNode&) { ++sent; });
  gate.send(protocol::Answer{.id = 1, .body = {}});
  CHECK(sent == 1);
}
