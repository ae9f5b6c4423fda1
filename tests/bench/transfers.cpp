#include "bench/transfers.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/bench_support.hpp"
#include "bench/many_calls.hpp"
#include "bench/modules/fabric_entities.hpp"
#include "kernel/placement.hpp"
#include "storage/open_store.hpp"

namespace epic::bench {

namespace {

using bench_module::Account;
using bench_module::Adder;

constexpr std::int64_t kSenders = 64;
constexpr std::int64_t kReceivers = 1'000;    // in all
constexpr std::size_t kReceiversOfEach = 16;  // in turn

enum class Where : std::uint8_t { same_node, other_node };

/// Knows which entity lives on which node.
class Placement {
 public:
  explicit Placement(const BenchFabric& fabric) : owners_(fabric.list_owners()) {}

  /// Accounts named "<prefix>-<number>" that live on the node of `type`/`key`, or on others.
  [[nodiscard]] std::vector<epic::Ref<Account>> pick(const std::string& type, const std::string& key, Where where,
                                                     const std::string& prefix) const {
    std::vector<epic::Ref<Account>> picked;
    const auto begin = static_cast<std::int64_t>(std::hash<std::string>{}(key) % kReceivers);
    for (std::int64_t i = 0; i < kReceivers && picked.size() < kReceiversOfEach; ++i) {
      const std::string account = fmt::format("{}-{}", prefix, (begin + i) % kReceivers);
      if ((owner_of("Account", account) == owner_of(type, key)) == (where == Where::same_node))
        picked.emplace_back(account);
    }
    return picked;
  }

 private:
  [[nodiscard]] const std::string& owner_of(const std::string& type, const std::string& key) const {
    return owners_[epic::kernel::ungrouped(static_cast<std::uint32_t>(owners_.size())).shard_of(type, key).value];
  }
  std::vector<std::string> owners_;
};

std::string payer_key(Where where, std::int64_t number) {
  return fmt::format("payer-{}-{}", where == Where::same_node ? "near" : "far", number);
}

void add_all(const Client& client, const Placement& placement, Where where, std::int64_t each) {
  call_all<void>(client, kSenders, kSenders, [&](std::int64_t number) {
    const auto accounts = placement.pick("Adder", std::to_string(number), where, "counter");
    return client.get<Adder>(number).with(std::chrono::hours(1))->add_to(accounts, each);
  });
}

/// Messages that have not arrived. One session looks, as each costs a server more than what is measured here.
class WaitingMail {
 public:
  explicit WaitingMail(const storage::StoreAddress& address)
      : store_(or_throw(storage::open_store({.address = address, .mode = storage::OpenMode::read_only}))) {}

  void wait_until_none() const {
    while (true) {
      const storage::MailCounts counts = or_throw(store_->count_mail());
      if (counts.dead != 0) throw std::runtime_error(fmt::format("{} transfers are dead letters", counts.dead));
      if (counts.waiting + counts.begun == 0) return;
      ::poll(nullptr, 0, 10);
    }
  }

 private:
  std::unique_ptr<storage::Store> store_;
};

void pay_all(const WaitingMail& mail, const Client& client, const Placement& placement, Where where,
             std::int64_t each) {
  call_all<void>(client, kSenders, kSenders, [&](std::int64_t number) {
    const std::string key = payer_key(where, number);
    const auto accounts = placement.pick("Account", key, where, "purse");
    return client.get<Account>(key).with(std::chrono::hours(1))->pay_many(accounts, each);
  });
  mail.wait_until_none();
}

struct TransferRates {
  std::vector<double> per_second = {};
  std::vector<double> rows = {};         // of each operation
  std::vector<double> commit_rows = {};  // of each commit
  std::vector<double> bare = {};         // per second
};

void run_round(const BenchFabric& fabric, double operations, const std::function<void()>& run, TransferRates& rates) {
  const BenchFabric::Saved before = fabric.count_saved();
  const auto begin = std::chrono::steady_clock::now();
  run();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const BenchFabric::Saved after = fabric.count_saved();
  const auto rows = static_cast<double>(after.rows - before.rows);
  rates.per_second.push_back(operations / seconds);
  rates.rows.push_back(rows / operations);
  rates.commit_rows.push_back(rows / static_cast<double>(after.commits - before.commits));
}

/// What the accounts have that a sender on that side pays to, and what is missing at the senders.
void check_sums(const Client& client, const TransferLoad& load) {
  std::int64_t received = 0;
  std::int64_t paid = 0;
  const auto add_to = [](std::int64_t& sum) {
    return [&sum](std::int64_t, epic::CallResult<std::int64_t> result) { sum += result.get(); };
  };
  call_all<std::int64_t>(
      client, kReceivers, kSenders,
      [&](std::int64_t number) { return client.get<Account>(fmt::format("purse-{}", number))->get(); },
      add_to(received));
  for (const Where where : {Where::same_node, Where::other_node})
    call_all<std::int64_t>(
        client, kSenders, kSenders,
        [&](std::int64_t number) { return client.get<Account>(payer_key(where, number))->get(); }, add_to(paid));
  const std::int64_t expected = (load.rounds + 1) * 2 * kSenders * load.each;
  if (received != expected || paid != -expected)
    throw std::runtime_error(fmt::format("of {} transfers, {} were paid and {} received", expected, -paid, received));
}

void print_transfers(std::string_view where, const TransferRates& increments, const TransferRates& transfers,
                     const std::string& bare) {
  const auto ratios_to = [&transfers](const std::vector<double>& others) {
    std::vector<double> ratios;
    for (std::size_t round = 0; round < transfers.per_second.size(); ++round)
      ratios.push_back(transfers.per_second[round] / others[round]);
    return ratios;
  };
  const auto row_of = [](const std::string& name, const TransferRates& rates) {
    return std::vector<std::string>{name, fmt::format("{:.0f}", percentile(rates.per_second, 0.5)),
                                    fmt::format("{:.2f}", percentile(rates.rows, 0.5)),
                                    fmt::format("{:.1f}", percentile(rates.commit_rows, 0.5))};
  };
  const auto spread_of = [](const std::vector<double>& ratios) {
    return fmt::format("{:.2f} … {:.2f}", percentile(ratios, 0), percentile(ratios, 1));
  };
  const std::vector<double> ratios = ratios_to(increments.per_second);
  std::vector<std::vector<std::string>> table{
      {fmt::format("{} entities, one after the other, to entities on {}", kSenders, where), "each second",
       "row operations of each", "of a commit"},
      row_of("durable increments", increments),
      row_of("delivered transfers", transfers),
      {"ratio, round by round", fmt::format("{:.2f}", percentile(ratios, 0.5)),
       fmt::format("{:.2f}", percentile(transfers.rows, 0.5) / percentile(increments.rows, 0.5)), ""},
      {"lowest and highest", spread_of(ratios), "", ""}};
  if (!transfers.bare.empty()) {
    const std::vector<double> to_bare = ratios_to(transfers.bare);
    table.push_back({bare, fmt::format("{:.0f}", percentile(transfers.bare, 0.5)), "", ""});
    table.push_back(
        {"ratio of the transfers to that, round by round", fmt::format("{:.2f}", percentile(to_bare, 0.5)), "", ""});
    table.push_back({"lowest and highest", spread_of(to_bare), "", ""});
  }
  print_table(table);
}

}  // namespace

void compare_transfers(const BenchFabric& fabric, const TransferLoad& load, const BareTransfers& bare) {
  const auto operations = static_cast<double>(kSenders * load.each);
  fabric.wait_until_level();
  const Placement placement(fabric);
  const WaitingMail mail(fabric.store());
  std::array<TransferRates, 2> increments;
  std::array<TransferRates, 2> transfers;
  for (int round = 0; round <= load.rounds; ++round)
    for (const Where where : {Where::same_node, Where::other_node}) {
      TransferRates ignored;
      const auto side = static_cast<std::size_t>(where);
      TransferRates& rates = round == 0 ? ignored : transfers[side];
      {
        const Client client = fabric.connect();
        run_round(
            fabric, operations, [&] { add_all(client, placement, where, load.each); },
            round == 0 ? ignored : increments[side]);
        run_round(fabric, operations, [&] { pay_all(mail, client, placement, where, load.each); }, rates);
      }
      if (bare.run) rates.bare.push_back(bare.run(rates.commit_rows.back()));
    }
  check_sums(fabric.connect(), load);
  print_transfers("their own node", increments[0], transfers[0], bare.name);
  print_transfers("other nodes", increments[1], transfers[1], bare.name);
}

}  // namespace epic::bench
