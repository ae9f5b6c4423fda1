#include "sim/cluster_scenario.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "codec/described_json.hpp"
#include "protocol/control_fabric.hpp"
#include "sim/cashier.hpp"
#include "sim/cell.hpp"
#include "sim/gong.hpp"
#include "sim/insist.hpp"
#include "sim/promises.hpp"
#include "support/linearizability.hpp"
#include "support/witness.hpp"

namespace epic::test {

namespace {

using namespace std::chrono_literals;
using cluster::sim::Cluster;
using cluster::sim::nanoseconds;
using cluster::sim::SimClient;
using ledger::Account;
using ledger::Stamp;
using ledger::Teller;

constexpr std::uint16_t kNodes = 4;
constexpr std::uint64_t kKinds = 8;  // of seeds
constexpr std::size_t kMachinesMin = 2;
constexpr std::size_t kMachinesMore = 3;       // numbers of machines
constexpr std::uint16_t kNodeNumbersMax = 12;  // of nodes, which get other numbers when their machine is back
constexpr std::uint32_t kClients = 3;
constexpr std::size_t kAccounts = 24;
constexpr std::size_t kCells = 4;
constexpr std::size_t kVaults = 2;
constexpr std::size_t kMailers = 4;  // accounts that send each other messages: few, so that one has several on its way
constexpr std::size_t kCallers = 18;
/// A call ends at its deadline, but the clock of the node or client may be late, and so may its timers.
constexpr auto kDeadlineMargin = 1s;
constexpr auto kPauseMax = 500ms;  // of a caller, between two calls
constexpr auto kPauseBetweenLooks = 50ms;
constexpr auto kHurriedPauseMax = 1ms;
constexpr auto kHurryFor = 25ms;
constexpr auto kCalmFor = 7s;
constexpr auto kQuietWithin = 30s;
constexpr auto kOrphansGoneWithin = 9s;
constexpr cluster::LeaseSettings kLease{.timeout = 2s, .margin = 900ms};
constexpr auto kAnsweredWithin = 40s;  // for a rolling restart: the grace of each node
constexpr auto kPsWithin = 5s;
constexpr auto kIdleAge = 3s;
constexpr std::uint64_t kTightSeeds = 5;  // every n-th has too little memory
constexpr std::uint64_t kTightestBytes = 1024;
constexpr std::uint64_t kFileSeeds = 3;  // every n-th has SQLite on files

/// Runs at each start of the fabric, and fails at every fourth.
Task<void> set_up(Pool pool) {
  for (int i = 0; i < 3; ++i) co_await pool.get<Account>("set up")->look();
  if (co_await pool.get<Cell>("set up")->add(1) % 4 == 0) throw std::runtime_error("the setup has had enough");
}

const ModuleInfo& cluster_ledger() {
  static const EntityInfoFn entities[] = {&Account::epic_info, &Teller::epic_info, &Cell::epic_info,
                                          &Vault::epic_info,   &Gong::epic_info,   &Cashier::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &set_up};
  return info;
}

std::uint64_t memory_budget_of(std::uint64_t seed) {
  return seed % kTightSeeds == 0 ? kTightestBytes << seed / kTightSeeds % 6 : 0;
}

cluster::sim::FaultMix mix_of(ClusterKind kind, std::uint32_t reshardings) {
  if (kind == ClusterKind::gentle) return cluster::sim::FaultMix::gentle();
  if (kind == ClusterKind::machines) return cluster::sim::FaultMix::machines();
  if (kind == ClusterKind::leased)
    return {.orphan_nodes = 4,
            .standstill = 4,
            .pause_in_tick = 6,
            .lose_machine = 12,
            .lose_service = 4,
            .slow_service = 4};
  cluster::sim::FaultMix mix{.resharding = reshardings};
  if (kind == ClusterKind::orphans) {
    mix.orphan_nodes = 8;
    mix.standstill = 6;
  }
  return mix;
}

bool has_leases(ClusterKind kind) { return kind == ClusterKind::leased || kind == ClusterKind::machines; }

class ClusterScenario {
 public:
  explicit ClusterScenario(const ClusterRun& run)
      : run_(run),
        kind_(kind_of(run.seed)),
        cluster_({.seed = run.seed,
                  .nodes = kNodes,
                  .fabric = {.idle_age = kIdleAge,
                             .call_deadline = kDeadline,
                             .memory_budget_bytes = memory_budget_of(run.seed)},
                  .restart = {.delay_first = 10ms, .delay_max = 500ms, .forget_after = 2s},
                  .call_timeout = kDeadline,
                  .disk = {.on_files = kind_ != ClusterKind::machines && run.seed % kFileSeeds == 0,
                           .is_server = kind_ == ClusterKind::machines},
                  .lease = has_leases(kind_) ? std::optional(kLease) : std::nullopt,
                  .machines = kind_ == ClusterKind::machines ? kMachinesMin + run.seed / kKinds % kMachinesMore : 0},
                 cluster_ledger()),
        faults_(cluster_, kNodes, kClients) {}

  ClusterResult run() {
    ledger::process_number = 1;
    cluster_.start();
    for (std::uint32_t i = 0; i < kClients; ++i) clients_.push_back(&cluster_.add_client());
    if (!world().run_until([this] { return cluster_.is_ready(); }, kHealthyWithin))
      violate("the fabric was not ready in time");
    promises_ = std::make_unique<Promises>(cluster_, *clients_[0]);
    promises_->start();
    for (std::size_t i = 0; i < kCallers; ++i) call_later(i);
    if (kind_ == ClusterKind::machines) look_later();
    meet_faults();
    faults_.end();
    is_ending_ = true;
    check_health();
    return judge();
  }

 private:
  struct Caller {
    bool is_waiting = false;
    std::int64_t called_ns = 0;
  };

  [[nodiscard]] cluster::sim::World& world() { return cluster_.world(); }
  void violate(std::string what) { witness_.on_violation(std::move(what)); }
  nanoseconds draw(nanoseconds max) {
    return nanoseconds(1 + static_cast<std::int64_t>(world().draw(static_cast<std::uint64_t>(max.count()))));
  }
  static Ref<Vault> vault(std::size_t number) { return Ref<Vault>(static_cast<std::int64_t>(number)); }
  static Ref<Account> account(std::size_t number) { return Ref<Account>(static_cast<std::int64_t>(number)); }

  /// Each fault of the schedule, or those chosen, at its time; before it callers hurry, so that it meets much that is
  /// under way.
  void meet_faults() {
    const std::int64_t begin_ns = world().now_ns();
    const auto go_to = [&](nanoseconds at) {
      if (begin_ns + at.count() > world().now_ns())
        world().run_for(nanoseconds(begin_ns + at.count() - world().now_ns()));
    };
    for (const cluster::sim::Fault& fault :
         draw_schedule(run_.seed, mix_of(kind_, run_.reshardings), {.duration = run_.duration})) {
      if (!run_.faults.empty() && std::ranges::find(run_.faults, fault.number) == run_.faults.end()) continue;
      go_to(fault.at - draw(kHurryFor));
      hurry();
      go_to(fault.at);
      faults_.strike(fault);
      if (sets_apart(fault)) calm_until_ns_ = (world().now() + nanoseconds(kCalmFor)).count();
      has_jumped_ = has_jumped_ || fault.kind == cluster::sim::FaultKind::clock_jump;
      world().run_for(kHurryFor / 2);
      is_hurrying_ = false;
    }
    go_to(run_.duration);
  }

  /// A machine's nodes may go on without the others. If they are only read, no refused write tells them that they may
  /// not; so it is mostly the client that reaches the others that makes changes then.
  [[nodiscard]] bool sets_apart(const cluster::sim::Fault& fault) const {
    using enum cluster::sim::FaultKind;
    return kind_ == ClusterKind::machines && (fault.kind == pause_machine || fault.kind == lose_contact) &&
           fault.chance % 2 == 0;
  }

  // ---- callers

  /// Makes callers call without a pause.
  void hurry() {
    is_hurrying_ = true;
    for (std::size_t i = 0; i < kCallers; ++i) call_later(i);
  }

  void call_later(std::size_t number) {
    const nanoseconds pause = draw(is_hurrying_ ? nanoseconds(kHurriedPauseMax) : nanoseconds(kPauseMax));
    clients_[number % kClients]->after(pause, cluster::sim::fingerprint_of("caller", number), [this, number] {
      if (!is_ending_ && !callers_[number].is_waiting) make_call(number);
    });
  }

  /// Looks that wait for no answer before the next: some come to a node after its lease is over, when all that wait for
  /// an answer there are stuck.
  void look_later() {
    clients_[1]->after(draw(kPauseBetweenLooks), cluster::sim::fingerprint_of("look"), [this] {
      if (is_ending_) return;
      const std::size_t asked = world().draw(kAccounts);
      clients_[1]->start<Stamp>(account(asked)->look(), [this, asked, known = witness_.known_changes(asked)](
                                                            detail::ResultRecord<Stamp>& record) {
        try {
          witness_.on_shown(asked, record.take(), known);
        } catch (const std::exception&) {  // the callers look at errors
        }
      });
      look_later();
    });
  }

  void make_call(std::size_t number) {
    callers_[number] = {.is_waiting = true, .called_ns = world().now_ns()};
    ++calls_;
    const std::size_t asked = world().draw(kAccounts);
    const std::int64_t known = kind_ == ClusterKind::orphans ? 0 : witness_.known_changes(asked);
    const auto on_shown = [this, asked, known](Stamp stamp) { witness_.on_shown(asked, stamp, known); };
    const bool must_read = world().now_ns() < calm_until_ns_ && number % kClients != 0;
    switch (must_read ? 4 + world().draw(2) * 5 : world().draw(11)) {
      case 0:
      case 1:
        return start<Stamp>(
            number, account(asked)->add(), [this, asked](Stamp stamp) { witness_.on_added(asked, stamp); }, nullptr,
            [this, asked] { witness_.on_unknown(asked); });
      case 2:
        return start<Stamp>(number, account(asked)->transfer(account(world().draw(kAccounts)), 1),
                            [this, asked](Stamp stamp) { witness_.on_transferred(asked, stamp); });
      case 3:
        return start<Stamp>(number, account(asked % kMailers)->send(account(world().draw(kMailers)), 1),
                            [this, asked](Stamp stamp) { witness_.on_transferred(asked % kMailers, stamp); });
      case 4:
        return start<Stamp>(number, account(asked)->look(), on_shown);
      case 5:
        return start<Stamp>(
            number, Ref<Teller>(static_cast<std::int64_t>(world().draw(kAccounts)))->look_at(account(asked)), on_shown);
      case 6:
        return operate(number, vault(asked % kVaults), vault_histories_[asked % kVaults], draw_operation());
      case 7:
        return remind(number);
      case 8:
        return pay(number);
      default:
        return operate(number, Ref<Cell>(static_cast<std::int64_t>(asked % kCells)), histories_[asked % kCells],
                       must_read ? CellOperation::Kind::read : draw_operation());
    }
  }

  void remind(std::size_t number) {
    Promises::Order order = promises_->order();
    start<bool>(number, std::move(order.call), std::move(order.on_told), nullptr, std::move(order.on_unknown));
  }

  void pay(std::size_t number) {
    promises_->pay(*clients_[number % kClients], [this, number](const KeyedEnd& end, bool is_final) {
      callers_[number].is_waiting = false;
      check_deadline(callers_[number].called_ns);
      if (!is_final || end.code == ErrorCode::interrupted) on_failure(end.what);
      call_later(number);
    });
  }

  CellOperation::Kind draw_operation() { return static_cast<CellOperation::Kind>(world().draw(3)); }

  template <class Holder>
  void operate(std::size_t number, Ref<Holder> asked, std::vector<CellOperation>& history, CellOperation::Kind kind) {
    const std::size_t place = history.size();
    history.push_back({.kind = kind,
                       .argument = static_cast<std::int64_t>(1 + world().draw(1'000'000)),
                       .called_ns = world().now_ns()});
    const CellOperation& operation = history.back();
    const auto call = [&] {
      switch (operation.kind) {
        case CellOperation::Kind::add:
          return asked->add(operation.argument);
        case CellOperation::Kind::swap:
          return asked->swap(operation.argument);
        default:
          return asked->read();
      }
    };
    start<std::int64_t>(
        number, call(),
        [this, &history, place](std::int64_t result) {
          history[place].result = result;
          history[place].returned_ns = world().now_ns();
        },
        [&history, place] { history[place].kind = CellOperation::Kind::read; });
  }

  template <class R>
  void start(std::size_t number, Call<R>&& call, std::function<void(R)> on_told,
             std::function<void()> on_not_started = {}, std::function<void()> on_unknown = {}) {
    clients_[number % kClients]->start<R>(
        std::move(call), [this, number, on_told = std::move(on_told), on_not_started = std::move(on_not_started),
                          on_unknown = std::move(on_unknown)](detail::ResultRecord<R>& record) {
          Caller& caller = callers_[number];
          caller.is_waiting = false;
          check_deadline(caller.called_ns);
          try {
            on_told(record.take());
          } catch (const Unavailable& error) {
            if (on_not_started) on_not_started();
            on_failure(error.what());
          } catch (const std::exception& error) {
            const bool is_refused = std::string_view(error.what()).find(kVaultRefuses) != std::string_view::npos;
            if (is_refused) return on_not_started(), call_later(number);
            if (on_unknown) on_unknown();
            on_failure(error.what());
          }
          call_later(number);
        });
  }

  void on_failure(const std::string& what) {
    if (kind_ == ClusterKind::gentle) violate("a call failed although no node died: " + what);
  }

  void check_deadline(std::int64_t called_ns) {
    const nanoseconds took(world().now_ns() - called_ns);
    if (took > kDeadline + kDeadlineMargin)
      violate(
          fmt::format("a call ended after {} ms", std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
  }

  // ---- the end

  template <class R>
  R insist(const std::function<Call<R>()>& call) {
    return test::insist<R>(cluster_, *clients_[0], call);
  }

  /// Each shard can still move, and each node be replaced.
  void insist_on_restart() {
    const std::int64_t until_ns = world().now_ns() + nanoseconds(kAnsweredWithin).count();
    while (world().now_ns() < until_ns) {
      const auto is_done = std::make_shared<std::optional<bool>>();
      if (cluster_.find_supervisor() != nullptr && faults_.list_unanswered().empty()) {
        cluster_.request("restart", R"({"rolling":true})", [is_done](bool is_ok, const auto&) { *is_done = is_ok; });
        world().run_until([&] { return is_done->has_value(); }, nanoseconds(until_ns - world().now_ns()));
        if (is_done->value_or(false)) return;
      }
      world().run_for(100ms);
    }
    throw std::runtime_error("the fabric could not be restarted in time");
  }

  /// Every node has its part: a move that never ends would leave one without.
  void insist_on_spread() {
    const std::int64_t until_ns = world().now_ns() + nanoseconds(kAnsweredWithin).count();
    std::string seen = "nothing";
    while (world().now_ns() < until_ns) {
      const auto has_ended = std::make_shared<bool>(cluster_.find_supervisor() == nullptr);
      std::size_t able = 0;
      if (!*has_ended)
        cluster_.request("ps", "{}", [&, has_ended](bool is_ok, const std::vector<std::string>& parts) {
          if (std::exchange(*has_ended, true) || !is_ok) return;
          seen = fmt::format("{}", fmt::join(parts, " "));
          const auto answer = codec::read_described_text<protocol::control::Ps::Answer>(parts.back());
          if (answer)
            able = static_cast<std::size_t>(
                std::ranges::count_if(answer->nodes, [](const auto& n) { return n.state == "ready" && n.shards > 0; }));
        });
      world().run_until([&] { return *has_ended; }, kPsWithin);
      *has_ended = true;  // an answer that comes later finds nothing here any more
      if (able == kNodes) return;
      world().run_for(100ms);
    }
    throw std::runtime_error("the shards were not spread over all nodes in time: " + seen);
  }

  void check_health() {
    const bool is_quiet =
        world().run_until([this] { return std::ranges::none_of(callers_, &Caller::is_waiting); }, kQuietWithin);
    if (!is_quiet) violate("some call never ended");
    if (kind_ == ClusterKind::orphans || has_leases(kind_)) world().run_for(kOrphansGoneWithin);
    try {
      for (std::size_t i = 0; i < kVaults; ++i) insist<std::int64_t>([&] { return vault(i)->add(1); });
      for (std::size_t i = 0; i < kAccounts; ++i) insist<std::uint64_t>([&] { return account(i)->settle(); });
      insist_on_spread();
      insist_on_restart();
      promises_->check();
      const std::int64_t until_ns = world().now_ns() + nanoseconds(kHealthyWithin).count();
      do {
        books_.clear();
        for (std::size_t i = 0; i < kAccounts; ++i)
          books_.push_back(insist<ledger::Books>([&] { return account(i)->get_books(); }));
        world().run_for(100ms);
      } while (!Witness::is_settled(books_) && world().now_ns() < until_ns);
    } catch (const std::exception& error) {
      violate(error.what());
      return;
    }
    check_leaks();
  }

  /// Nothing is called any more, so nothing may be under way, and nothing remembered.
  void check_leaks() {
    world().run_until([this] { return faults_.list_unanswered().empty(); }, kAnsweredWithin);
    for (const std::string& request : faults_.list_unanswered()) violate("the supervisor has not answered " + request);
    world().run_for(2 * kDeadline);
    world().run_until([this] { return list_left().empty(); }, kQuietWithin);
    for (std::string& left : list_left()) violate(std::move(left));
  }

  std::vector<std::string> list_left() {
    std::vector<std::string> left;
    int nodes = 0;
    for (std::uint16_t number = 1; number <= kNodeNumbersMax; ++number) {
      cluster::sim::SimNode* const node = cluster_.find_node(number);
      if (node == nullptr || node->core() == nullptr) continue;
      ++nodes;
      const kernel::KernelStats stats = node->core()->engine().kernel().stats();
      if (stats.calls_pending + stats.messages_held + stats.entities + stats.memory_bytes > 0)
        left.push_back(fmt::format("node-{} has {} calls, {} messages held, {} entities and {} bytes left", number,
                                   stats.calls_pending, stats.messages_held, stats.entities, stats.memory_bytes));
    }
    if (nodes != kNodes) left.push_back(fmt::format("{} nodes are there in the end", nodes));
    for (const SimClient* client : clients_)
      if (client->count() > 0) left.push_back(fmt::format("a client has {} calls left", client->count()));
    return left;
  }

  void check_histories(std::string_view type, std::span<std::vector<CellOperation>> histories) {
    for (std::size_t i = 0; i < histories.size(); ++i) {
      if (kind_ == ClusterKind::orphans)
        std::erase_if(histories[i], [](const auto& one) { return one.kind == CellOperation::Kind::read; });
      if (const auto why = find_contradiction(histories[i])) violate(fmt::format("{}/{}: {}", type, i, *why));
    }
  }

  ClusterResult judge() {
    check_histories("Cell", histories_);
    check_histories("Vault", vault_histories_);
    ClusterResult result;
    result.violations = books_.size() == kAccounts ? witness_.judge(books_) : witness_.judge({});
    const auto clocks = has_jumped_ ? WallClocks::jumping : WallClocks::steady;
    const auto stale = kind_ == ClusterKind::orphans ? KeyWitness::Stale::interruptions : KeyWitness::Stale::nothing;
    std::ranges::move(promises_->judge(clocks, stale), std::back_inserter(result.violations));
    std::ranges::copy(cluster_.disk().referee().list_breaches(), std::back_inserter(result.violations));
    for (const cluster::sim::StruckFault& fault : faults_.list()) result.faults.push_back(to_string(fault));
    if (!result.violations.empty()) result.log = cluster_.log();
    result.digest = world().digest();
    result.events = world().event_count();
    result.calls = calls_;
    result.acknowledged = witness_.acknowledged();
    result.unknown = witness_.unknown();
    result.simulated_ms = world().now_ns() / 1'000'000;
    return result;
  }

  ClusterRun run_;
  ClusterKind kind_;
  Witness witness_{kAccounts};
  std::array<Caller, kCallers> callers_;
  std::vector<ledger::Books> books_;
  std::array<std::vector<CellOperation>, kCells> histories_;
  std::array<std::vector<CellOperation>, kVaults> vault_histories_;
  std::uint64_t calls_ = 0;
  bool is_hurrying_ = false;
  bool is_ending_ = false;
  bool has_jumped_ = false;         // a wall clock
  std::int64_t calm_until_ns_ = 0;  // most only read
  Cluster cluster_;
  std::vector<SimClient*> clients_;
  std::unique_ptr<Promises> promises_;
  cluster::sim::Faults faults_;
};

}  // namespace

ClusterKind kind_of(std::uint64_t seed) {
  if (seed % 4 == 1) return ClusterKind::gentle;
  if (seed % kKinds == 4) return ClusterKind::leased;
  if (seed % kKinds == 0) return ClusterKind::machines;
  return seed % 4 == 2 ? ClusterKind::orphans : ClusterKind::usual;
}

ClusterResult run_cluster(const ClusterRun& run) { return ClusterScenario(run).run(); }

}  // namespace epic::test
