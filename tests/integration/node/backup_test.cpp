// A backup of a fabric under load is of one moment: a fabric that goes on from it has every change that was
// acknowledged before, and loses and doubles nothing.

#include <signal.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <random>
#include <thread>
#include <vector>

#include "epic/client.hpp"
#include "integration/modules/ledger.hpp"
#include "integration/node/real_fabric.hpp"
#include "storage/backup.hpp"
#include "storage/open_store.hpp"
#include "storage/restoration.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using ledger::Account;
namespace storage = epic::storage;

namespace {

constexpr std::int64_t kAccountsBackedUp = 40;
constexpr int kSenders = 4;

/// Threads that send money to and fro until they are destroyed.
class Senders {
 public:
  explicit Senders(const Client& client) {
    for (int i = 0; i < kSenders; ++i)
      threads_.emplace_back([this, client, i](const std::stop_token& stop) {
        std::mt19937_64 random(static_cast<std::uint64_t>(i));
        while (!stop.stop_requested()) {
          const auto from = static_cast<std::int64_t>(random() % kAccountsBackedUp);
          const auto to = static_cast<std::int64_t>(random() % kAccountsBackedUp);
          client.call(client.get<Account>(from)->send(client.get<Account>(to), 1 + to % 7));
          ++acknowledged_;
        }
      });
  }
  [[nodiscard]] std::int64_t acknowledged() const { return acknowledged_; }

 private:
  std::atomic<std::int64_t> acknowledged_ = 0;
  std::vector<std::jthread> threads_;
};

ledger::Books sum_of_books(const Client& client) {
  ledger::Books sum{.balance = 0, .count = 0, .changes = 0, .reigns = {}, .sent = 0, .received = 0, .misdelivered = 0};
  for (std::int64_t i = 0; i < kAccountsBackedUp; ++i) {
    const ledger::Books books = client.call(client.get<Account>(i)->get_books());
    sum.balance += books.balance;
    sum.sent += books.sent;
    sum.received += books.received;
    sum.misdelivered += books.misdelivered;
  }
  return sum;
}

}  // namespace

TEST_CASE("backup: of a fabric under load it is one moment, and a fabric goes on from it", "[node][threads]") {
  constexpr int kBackups = 3;
  const ProjectDirectory project;
  const storage::StoreAddress store = storage::locate_store("sqlite", project.path() / ".epic");
  const auto file_of = [&](int number) { return project.path() / ("backup-" + std::to_string(number)); };
  struct Made {
    std::int64_t acknowledged_before;
    std::int64_t acknowledged_after;
    storage::StoreContent content;
  };
  std::vector<Made> made;
  {
    Supervised fabric{project, "unused", real_nodes("ledger", 3)};
    fabric.wait_for("ready 3 nodes");
    const Client client = Client::connect(project.path().string());
    {
      const Senders senders(client);
      std::mt19937_64 random(1);
      for (int i = 0; i < kBackups; ++i) {
        for (int calls = 0; calls < 100; ++calls)
          client.call(client.get<Account>(static_cast<std::int64_t>(random() % kAccountsBackedUp))->add());
        const std::int64_t before = senders.acknowledged();
        const auto content = storage::write_backup(store, file_of(i), {});
        REQUIRE(content);
        made.push_back({before, senders.acknowledged(), *content});
      }
    }
    fabric.signal(SIGTERM);
    CHECK(fabric.wait_for_end() == 0);
  }
  CHECK(made.back().acknowledged_before > made.front().acknowledged_before);

  for (int i = 0; i < kBackups; ++i) {
    const Made& backup = made[static_cast<std::size_t>(i)];
    INFO("backup " << i << ", " << backup.content.messages() << " messages in it");
    CHECK(backup.content.damaged == 0);
    CHECK(backup.content.mail.dead == 0);
    auto restoration =
        storage::Restoration::prepare(file_of(i), store, backup.content.identity.placement.shard_count(), {});
    REQUIRE(restoration);
    const auto former = restoration->finish();
    REQUIRE(former);

    Supervised fabric{project, "unused", real_nodes("ledger", 3)};
    fabric.wait_for("ready 3 nodes");
    const Client client = Client::connect(project.path().string());
    ledger::Books sum = sum_of_books(client);
    for (const auto until = std::chrono::steady_clock::now() + 30s;
         sum.received < sum.sent && std::chrono::steady_clock::now() < until;)
      sum = sum_of_books(client);
    CHECK(sum.balance == kAccountsBackedUp * ledger::kOpeningBalance);
    CHECK(sum.received == sum.sent);
    CHECK(sum.misdelivered == 0);
    CHECK(sum.sent >= backup.acknowledged_before);
    CHECK(sum.sent <= backup.acknowledged_after + kSenders);
    fabric.signal(SIGTERM);
    CHECK(fabric.wait_for_end() == 0);
  }
}
