// Between two runs of a fabric its store gets another number of shards: everything is there afterwards, and what was on
// its way arrives once.

#include <signal.h>

#include <array>
#include <atomic>
#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "epic/client.hpp"
#include "integration/modules/ledger.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "storage/mail.hpp"
#include "storage/open_store.hpp"
#include "storage/resharding.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using ledger::Account;
using probe::Counter;
using probe::Till;
namespace json = boost::json;
namespace storage = epic::storage;

namespace {

constexpr std::int64_t kAccountsResharded = 40;
constexpr int kPayers = 16;

std::function<void(epic::cluster::SupervisorOptions&)> nodes_with_shards(const std::string& module,
                                                                         std::uint32_t shard_count) {
  return real_nodes(module, 3, [=](epic::cluster::SupervisorOptions& options) { options.shard_count = shard_count; });
}

storage::StoreAddress store_of(const ProjectDirectory& project) {
  return storage::locate_store("sqlite", project.path() / ".epic");
}

std::unique_ptr<storage::Store> read_store(const ProjectDirectory& project) {
  auto store = storage::open_store({.address = store_of(project), .mode = storage::OpenMode::read_only});
  REQUIRE(store);
  return std::move(*store);
}

void reshard(const ProjectDirectory& project, std::uint32_t shard_count) {
  auto resharding = storage::Resharding::prepare(store_of(project), epic::kernel::ungrouped(shard_count), {});
  if (!resharding) FAIL(resharding.error().message);
  CHECK(resharding->content().damaged == 0);
  const auto former = resharding->finish();
  if (!former) FAIL(former.error().message);
}

json::array dead_letters(const ProjectDirectory& project) {
  json::array ids;
  REQUIRE(read_store(project)->list_mail(
      {.status = storage::MailStatus::dead},
      [&](const storage::Mail& mail) {
        ids.emplace_back(storage::mail_id_text(mail.id));
        return storage::Visit::go_on;
      },
      [](const auto&) {}));
  return ids;
}

/// Looks again and again, which goes through other processes or the disk each time.
void wait_for_number(const std::string& what, const std::function<std::int64_t()>& look, std::int64_t wanted) {
  const auto until = std::chrono::steady_clock::now() + 60s;
  std::int64_t seen = look();
  while (seen < wanted && std::chrono::steady_clock::now() < until) seen = look();
  INFO(what);
  REQUIRE(seen == wanted);
}

void stop(Supervised& fabric) {
  fabric.signal(SIGTERM);
  CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
}

/// Threads that send money to and fro until their fabric dies.
class Payers {
 public:
  explicit Payers(const Client& client) {
    for (int i = 0; i < kPayers; ++i)
      threads_.emplace_back([this, client, i](const std::stop_token& stop) {
        std::mt19937_64 random(static_cast<std::uint64_t>(i));
        while (!stop.stop_requested()) {
          const auto from = static_cast<std::int64_t>(random() % kAccountsResharded);
          const auto to = static_cast<std::int64_t>(random() % kAccountsResharded);
          try {
            client.call(client.get<Account>(from).with(2s)->send(client.get<Account>(to), 1 + to % 7));
            ++acknowledged_;
          } catch (const epic::Error&) {
            return;
          }
        }
      });
  }
  [[nodiscard]] std::int64_t acknowledged() const { return acknowledged_; }

 private:
  std::atomic<std::int64_t> acknowledged_ = 0;
  std::vector<std::jthread> threads_;
};

ledger::Books sum_of_accounts(const Client& client) {
  ledger::Books sum{.balance = 0, .count = 0, .changes = 0, .reigns = {}, .sent = 0, .received = 0, .misdelivered = 0};
  for (std::int64_t i = 0; i < kAccountsResharded; ++i) {
    const ledger::Books books = client.call(client.get<Account>(i)->get_books());
    sum.balance += books.balance;
    sum.sent += books.sent;
    sum.received += books.received;
    sum.misdelivered += books.misdelivered;
  }
  return sum;
}

}  // namespace

TEST_CASE("reshard: states, reminders, dead letters and answers go on in the next run, with more shards and with fewer",
          "[node][threads]") {
  constexpr int kTills = 24;
  constexpr std::int64_t kEach = 8;
  constexpr int kClosed = 8;
  const ProjectDirectory project;
  const auto closed = [](int number) { return "closed " + std::to_string(number); };
  {
    Supervised fabric{project, "unused", nodes_with_shards("probe", 64)};
    fabric.wait_for("ready 3 nodes");
    fabric.wait_until_level();
    const Client client = Client::connect(project.path().string());
    CHECK(client.call(client.get<Counter>("a")->add(5), {.idempotency_key = "order-17"}) == 5);
    for (int i = 0; i < kClosed; ++i) client.call(client.get<Till>("from")->send(client.get<Till>(closed(i)), 5));
    for (int i = 0; i < kClosed; ++i) fabric.wait_for("is a dead letter");
    wait_for_number("dead letters", [&] { return static_cast<std::int64_t>(dead_letters(project).size()); }, kClosed);
    for (int i = 0; i < kTills; ++i) client.call(client.get<Till>(i)->put_later(kEach, 50, 4000));
    stop(fabric);
  }
  CHECK(read_store(project)->identity().placement.shard_count() == 64);
  const auto pending = read_store(project)->count_reminders();
  REQUIRE(pending);
  REQUIRE(*pending > 0);

  const auto sum_of_tills = [](const Client& client) {
    std::int64_t sum = 0;
    for (int i = 0; i < kTills; ++i) sum += client.call(client.get<Till>(i)->count());
    return sum;
  };
  const auto sum_of_closed = [&](const Client& client) {
    std::int64_t sum = 0;
    for (int i = 0; i < kClosed; ++i) sum += client.call(client.get<Till>(closed(i))->count());
    return sum;
  };
  reshard(project, 200);
  {
    Supervised fabric{project, "unused", nodes_with_shards("probe", 200)};
    fabric.wait_for("ready 3 nodes");
    fabric.wait_until_level();
    const Client client = Client::connect(project.path().string());
    CHECK(client.call(client.get<Counter>("a")->add(5), {.idempotency_key = "order-17"}) == 5);
    CHECK(client.call(client.get<Counter>("a")->get()) == 5);
    CHECK(client.call(client.get<Till>("from")->count()) == -5 * kClosed);
    for (int i = 0; i < kClosed; ++i) client.call(client.get<Till>(closed(i))->open());
    json::array some = dead_letters(project);
    REQUIRE(some.size() == kClosed);
    some.resize(kClosed / 2);
    CHECK(fabric.ask("outbox", {{"action", "retry"}, {"ids", some}}).at("count") == kClosed / 2);
    wait_for_number("retried", [&] { return sum_of_closed(client); }, 5 * kClosed / 2);
    wait_for_number("reminded", [&] { return sum_of_tills(client); }, kTills * kEach);
    stop(fabric);
  }
  reshard(project, 5);
  Supervised fabric{project, "unused", nodes_with_shards("probe", 5)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  CHECK(client.call(client.get<Counter>("a")->add(5), {.idempotency_key = "order-17"}) == 5);
  CHECK(client.call(client.get<Counter>("a")->get()) == 5);
  CHECK(fabric.ask("outbox", {{"action", "retry"}, {"ids", dead_letters(project)}}).at("count") == kClosed / 2);
  wait_for_number("retried", [&] { return sum_of_closed(client); }, 5 * kClosed);
  CHECK(sum_of_tills(client) == kTills * kEach);
  CHECK(dead_letters(project).empty());
  CHECK(read_store(project)->count_reminders().value() == 0);
}

TEST_CASE("reshard: after a fabric was killed under load, each message that it had sent arrives once, in order",
          "[node][threads]") {
  const ProjectDirectory project;
  std::int64_t acknowledged = 0;
  std::uint64_t waited = 0;  // messages, over a reshard
  std::uint32_t shard_count = 64;
  constexpr std::array<std::uint32_t, 3> kNext{24, 150, 7};
  for (std::size_t round = 0; round < kNext.size() || (waited == 0 && round < 12); ++round) {
    const std::uint32_t next = kNext[round % kNext.size()];
    std::vector<pid_t> pids;
    {
      Supervised fabric{project, "unused", nodes_with_shards("ledger", shard_count)};
      fabric.wait_for("ready 3 nodes");
      fabric.wait_until_level();
      const Client client = Client::connect(project.path().string());
      const Payers payers(client);
      const std::int64_t enough = 300;
      wait_for_number("payments", [&] { return std::min(payers.acknowledged(), enough); }, enough);
      pids = fabric.list_node_pids();
      fabric.signal(SIGKILL);
      CHECK(fabric.wait_for_end() == 128 + SIGKILL);
      acknowledged += payers.acknowledged();
    }
    for (const pid_t pid : pids) epic::test::wait_for_death(pid);
    waited += read_store(project)->count_mail().value().waiting;
    reshard(project, next);
    shard_count = next;
  }
  CHECK(waited > 0);

  Supervised fabric{project, "unused", nodes_with_shards("ledger", shard_count)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  ledger::Books sum = sum_of_accounts(client);
  for (const auto until = std::chrono::steady_clock::now() + 30s;
       sum.received < sum.sent && std::chrono::steady_clock::now() < until;)
    sum = sum_of_accounts(client);
  CHECK(sum.balance == kAccountsResharded * ledger::kOpeningBalance);
  CHECK(sum.received == sum.sent);
  CHECK(sum.misdelivered == 0);
  CHECK(sum.sent >= acknowledged);
  CHECK(read_store(project)->count_mail().value().dead == 0);
}
