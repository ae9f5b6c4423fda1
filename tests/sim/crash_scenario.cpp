#include "sim/crash_scenario.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <random>

#include "codec/capnp_codec.hpp"
#include "sim/sim_fabric.hpp"
#include "support/witness.hpp"

namespace epic::test {
namespace {

using namespace std::chrono_literals;
using ledger::Account;
using ledger::Stamp;
using ledger::Teller;

constexpr std::uint16_t kNodes = 4;
constexpr std::size_t kAccounts = 24;
constexpr std::size_t kCallers = 12;
constexpr int kFates = 12;
constexpr auto kBetweenFates = 15ms;
constexpr auto kStep = 200us;

const ModuleInfo& ledger_module() {
  static const EntityInfoFn entities[] = {&Account::epic_info, &Teller::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

class Scenario {
 public:
  Scenario(Fate fate, std::uint64_t seed)
      : fate_(fate),
        random_(seed),
        fabric_({.seed = seed, .nodes = kNodes, .call_patience = 5s}, ledger_module(), codec_) {}

  std::vector<std::string> run() {
    pass(20ms);
    for (int i = 0; i < kFates; ++i) {
      suffer();
      pass(kBetweenFates);
    }
    is_ending_ = true;
    bury_fenced();
    for (std::uint16_t node = 1; node <= kNodes; ++node) revive(node);
    const bool is_quiet = fabric_.run_until([this] { return std::ranges::all_of(callers_, &Caller::is_free); }, 60s);
    if (!is_quiet) witness_.on_violation("some call never ended");
    return witness_.judge(settle());
  }

 private:
  struct Caller {
    bool is_free = true;
    std::uint16_t gateway = 0;
    std::uint64_t call = 0;  // an answer to an older call comes from a node that died
    std::size_t account = 0;
    bool is_add = false;
  };

  [[nodiscard]] bool is_alive(std::uint16_t node) const { return std::ranges::find(dead_, node) == dead_.end(); }
  std::uint16_t draw_node() {
    std::uint16_t node = 0;
    do node = static_cast<std::uint16_t>(random_() % kNodes + 1);
    while (!is_alive(node));
    return node;
  }
  static Ref<Account> account(std::size_t number) { return Ref<Account>(static_cast<std::int64_t>(number)); }

  void pass(std::chrono::nanoseconds duration) {
    for (auto passed = 0ns; passed < duration; passed += kStep) {
      for (std::size_t i = 0; i < callers_.size(); ++i)
        if (callers_[i].is_free) make_call(i);
      fabric_.run_for(kStep);
      bury_fenced();
    }
  }

  void make_call(std::size_t number) {
    Caller& caller = callers_[number];
    caller = {
        .is_free = false, .gateway = draw_node(), .call = ++calls_, .account = random_() % kAccounts, .is_add = false};
    const std::size_t asked = caller.account;
    const std::int64_t known = fate_ == Fate::partition ? 0 : witness_.known_changes(asked);
    switch (random_() % 6) {
      case 0:
      case 1:
        caller.is_add = true;
        return start(number, account(asked)->add(), [this, asked](Stamp stamp) { witness_.on_added(asked, stamp); });
      case 2:
      case 3:
        return start(number, account(asked)->transfer(account(random_() % kAccounts), 1),
                     [this, asked](Stamp stamp) { witness_.on_transferred(asked, stamp); });
      case 4:
        return start(number, account(asked)->look(),
                     [this, asked, known](Stamp stamp) { witness_.on_shown(asked, stamp, known); });
      default:
        return start(number, Ref<Teller>(static_cast<std::int64_t>(random_() % kAccounts))->look_at(account(asked)),
                     [this, asked, known](Stamp stamp) { witness_.on_shown(asked, stamp, known); });
    }
  }

  void start(std::size_t number, Call<Stamp>&& call, std::function<void(Stamp)> on_told) {
    fabric_.start_call<Stamp>(callers_[number].gateway, std::move(call),
                              [this, number, name = callers_[number].call,
                               on_told = std::move(on_told)](detail::ResultRecord<Stamp>& record) {
                                Caller& caller = callers_[number];
                                if (caller.call != name) return;
                                caller.is_free = true;
                                try {
                                  on_told(record.take());
                                } catch (const Unavailable&) {  // did not start
                                  on_failure("Unavailable");
                                } catch (const std::exception& error) {
                                  if (caller.is_add) witness_.on_unknown(caller.account);
                                  on_failure(error.what());
                                }
                              });
  }
  void on_failure(const std::string& what) {
    if (fate_ == Fate::moves) witness_.on_violation("a call failed although no node died: " + what);
  }

  void suffer() {
    const std::uint16_t node = static_cast<std::uint16_t>(random_() % kNodes + 1);
    if (!is_alive(node)) return revive(node);
    switch (fate_) {
      case Fate::moves:
        return move_shards();
      case Fate::partition:
        if (dead_.size() + 2 <= kNodes && forsaken_ == 0) {
          forsaken_ = node;
          fabric_.forsake(node);
        }
        return;
      case Fate::crashes:
        break;
    }
    if (random_() % 3 == 0) return move_shards();
    if (dead_.size() + 2 <= kNodes) kill(node);
  }

  void move_shards() {
    for (int i = 0; i < 4; ++i)
      fabric_.move_shard(kernel::ShardId{static_cast<std::uint32_t>(random_() % 16)}, draw_node());
  }

  void kill(std::uint16_t node) {
    fabric_.kill(node);
    bury(node);
  }
  /// Ends the calls made through a dead node: their outcome is unknown.
  void bury(std::uint16_t node) {
    dead_.push_back(node);
    for (Caller& caller : callers_) {
      if (caller.is_free || caller.gateway != node) continue;
      if (caller.is_add) witness_.on_unknown(caller.account);
      caller.is_free = true;
      caller.call = 0;
    }
  }
  /// The nodes that ended themselves because the store refused their commit.
  void bury_fenced() {
    for (std::uint16_t node = 1; node <= kNodes; ++node) {
      if (fabric_.is_alive(node) || !is_alive(node)) continue;
      if (node != forsaken_)
        witness_.on_violation(fmt::format("node-{} has ended itself: {}", node, fabric_.log().back().message));
      forsaken_ = 0;
      bury(node);
    }
  }
  void revive(std::uint16_t node) {
    if (is_ending_ && node == forsaken_) {
      forsaken_ = 0;
      kill(node);
    }
    if (std::erase(dead_, node) > 0) fabric_.restart(node);
  }

  /// Empties the outboxes, then reads all books.
  std::vector<ledger::Books> settle() {
    for (std::size_t i = 0; i < kAccounts; ++i) fabric_.call(1, account(i)->settle());
    std::vector<ledger::Books> books;
    for (std::size_t i = 0; i < kAccounts; ++i) books.push_back(fabric_.call(2, account(i)->get_books()));
    return books;
  }

  Fate fate_;
  std::mt19937_64 random_;
  codec::CapnpCodec codec_;
  Witness witness_{kAccounts};
  std::array<Caller, kCallers> callers_;
  std::vector<std::uint16_t> dead_;
  std::uint16_t forsaken_ = 0;
  bool is_ending_ = false;
  std::uint64_t calls_ = 0;
  sim::SimFabric fabric_;  // last: what still runs in it may use the other members
};

}  // namespace

std::vector<std::string> run_crash_scenario(Fate fate, std::uint64_t seed) {
  try {
    return Scenario(fate, seed).run();
  } catch (const std::exception& error) {
    return {fmt::format("the ledger could not be read in the end: {}", error.what())};
  }
}

}  // namespace epic::test
