// Mail under faults: whatever crashes, moves or waits for the disk, each message takes effect once, in order, or is a
// dead letter.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "epic/epic.hpp"
#include "kernel/limits.hpp"
#include "support/sanitizers.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kMailShards = 16;
constexpr int kPurses = 20;
constexpr std::int64_t kCentsEach = 1'000;
constexpr std::uint64_t kMailSeeds = test::kIsSanitized ? 4 : 25;

/// What a deposit does besides.
enum class Way : std::uint8_t {
  plain,
  refuses,           // throws and books nothing
  goes_on,           // books, then waits, then changes more
  goes_on_and_fails  // books, then waits, then throws
};
BOOST_DESCRIBE_ENUM(Way, plain, refuses, goes_on, goes_on_and_fails)

struct Transfer {
  std::string from;
  std::int64_t number = 0;  // of this sender to this receiver
  std::int64_t cents = 0;
  Way way{};
  auto operator<=>(const Transfer&) const = default;
};
BOOST_DESCRIBE_STRUCT(Transfer, (), (from, number, cents, way))

class Purse : public Entity {
  std::int64_t cents_ = kCentsEach;
  std::int64_t finished_ = 0;
  std::map<std::string, std::vector<Transfer>> sent_;      // by receiver
  std::map<std::string, std::vector<Transfer>> received_;  // by sender, in order

 public:
  Task<void> give(Ref<Purse> to, std::int64_t cents, Way way) {
    std::vector<Transfer>& sent = sent_[std::string(to.key())];
    Transfer transfer{std::string(key()), static_cast<std::int64_t>(sent.size()), cents, way};
    cents_ -= cents;
    sent.push_back(transfer);
    epic::deliver(to->take(std::move(transfer)));
    co_return;
  }
  Task<void> give_and_wait(Ref<Purse> to, std::int64_t cents, Way way) {
    co_await give(to, cents, way);
    co_await epic::sleep(3ms);
    co_await give(to, cents, way);
  }
  Task<void> take(Transfer transfer) {
    if (transfer.way == Way::refuses) throw std::runtime_error("I take nothing from " + transfer.from);
    cents_ += transfer.cents;
    received_[transfer.from].push_back(transfer);
    if (transfer.way == Way::plain) co_return;
    co_await epic::sleep(2ms);
    if (transfer.way == Way::goes_on_and_fails) throw std::runtime_error("I changed my mind");
    ++finished_;
  }
  Task<std::int64_t> cents() const { co_return cents_; }
  Task<std::map<std::string, std::vector<Transfer>>> sent() const { co_return sent_; }
  Task<std::map<std::string, std::vector<Transfer>>> received() const { co_return received_; }
  EPIC_ENTITY(Purse, state(cents_, finished_, sent_, received_),
              methods(give, give_and_wait, take, cents, sent, received))
};

const ModuleInfo& purses() {
  static const EntityInfoFn entities[] = {&Purse::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

/// One run, from one seed.
class MailRun {
 public:
  explicit MailRun(std::uint64_t seed)
      : random_(seed), fabric_({.seed = seed, .shard_count = kMailShards}, purses(), codec_) {}

  void check() {
    fabric_.run_for(100ms);
    for (int step = 0; step < 80; ++step) {
      act();
      fabric_.run_for(std::chrono::microseconds(random_() % 40'000));
    }
    fabric_.hold_commits(false);
    for (std::uint16_t node = 1; node <= 3; ++node)
      if (!fabric_.is_alive(node)) fabric_.restart(node);
    fabric_.run_for(kernel::limits::kCallTimeout + 1s);  // nothing more is sent
    const auto is_delivered = [this] {
      const auto counts = fabric_.store().count_mail();
      return counts->waiting == 0 && counts->begun == 0;
    };
    const bool has_ended = fabric_.run_until(is_delivered, 3min);
    const auto left = fabric_.store().count_mail();
    INFO(left->waiting << " waiting, " << left->begun << " begun");
    REQUIRE(has_ended);
    check_books();
  }

 private:
  std::uint16_t any_node() { return static_cast<std::uint16_t>(random_() % 3 + 1); }
  Ref<Purse> any_purse() { return Ref<Purse>(static_cast<int>(random_() % kPurses)); }

  void act() {
    const std::uint16_t node = any_node();
    switch (random_() % 12) {
      case 0:
        return fabric_.is_alive(node) ? fabric_.kill(node) : fabric_.restart(node);
      case 1:
      case 2:
        if (fabric_.is_alive(node))
          fabric_.move_shard(kernel::ShardId{static_cast<std::uint32_t>(random_() % kMailShards)}, node);
        return;
      case 3:
        return fabric_.hold_commits(random_() % 2 == 0);
      default:
        for (std::uint64_t i = random_() % 6; fabric_.is_alive(node) && i > 0; --i) {
          const auto way = static_cast<Way>(random_() % 3 == 0 ? random_() % 4 : 0);
          const auto cents = static_cast<std::int64_t>(random_() % 100);
          const Ref<Purse> from = any_purse();
          if (random_() % 4 == 0)
            fabric_.start_call<void>(node, from->give_and_wait(any_purse(), cents, way), {});
          else
            fabric_.start_call<void>(node, from->give(any_purse(), cents, way), {});
        }
    }
  }

  void check_books() {
    std::int64_t sum = 0;
    std::map<std::string, std::map<std::string, std::vector<Transfer>>> sent;      // receiver, sender
    std::map<std::string, std::map<std::string, std::vector<Transfer>>> received;  // likewise
    for (int i = 0; i < kPurses; ++i) {
      const Ref<Purse> purse(i);
      sum += fabric_.call(1, purse->cents());
      for (auto& [to, transfers] : fabric_.call(1, purse->sent())) sent[to][std::to_string(i)] = transfers;
      for (auto& [from, transfers] : fabric_.call(1, purse->received())) received[std::to_string(i)][from] = transfers;
    }
    std::uint64_t refused = 0;
    std::uint64_t failed = 0;
    for (auto& [to, senders] : sent)
      for (auto& [from, transfers] : senders) {
        INFO(from << " to " << to);
        for (const Transfer& transfer : transfers) {
          failed += transfer.way == Way::goes_on_and_fails;
          if (transfer.way != Way::refuses) continue;
          ++refused;
          sum += transfer.cents;
        }
        std::erase_if(transfers, [](const Transfer& one) { return one.way == Way::refuses; });
        CHECK(received[to][from] == transfers);  // each once, in order
      }
    CHECK(sum == kPurses * kCentsEach);
    std::uint64_t dead = 0;
    REQUIRE(fabric_.store().list_mail(
        {},
        [&](const kernel::Mail& mail) {
          CHECK(mail.status == kernel::MailStatus::dead);
          CHECK_FALSE(mail.why.empty());
          ++dead;
          return storage::Visit::go_on;
        },
        [](const auto&) {}));
    CHECK(dead >= refused + failed);  // and those whose node died, or that were interrupted
  }

  std::mt19937_64 random_;
  codec::CapnpCodec codec_;
  test::SimFabric fabric_;
};

}  // namespace

TEST_CASE("mail: whatever goes wrong, each message takes effect once, in order, or is a dead letter", "[sim]") {
  const char* given = std::getenv("EPIC_SEED");
  const std::uint64_t first = given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + (given == nullptr ? kMailSeeds : 1); ++seed) {
    INFO("EPIC_SEED=" << seed);
    MailRun(seed).check();
  }
}
