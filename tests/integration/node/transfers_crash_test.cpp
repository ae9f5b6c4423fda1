// Transfers by mail under the crash test: handlers throw, wait and kill their nodes, and couriers are erased and
// imported, while everything below them is killed, paused, drained, scaled and restarted.
//
// A transfer is recorded by its sender. From then on it must be in exactly one place, in every export and every backup:
// in a message, a dead letter included, or in the books of its receiver. At the end all but those whose handler always
// throws have been booked.
//
// Only the test's own thread may open the store: it forks supervisors, and SQLite must not be open then.
//
// EPIC_FAULTS sets the number of faults (a few by default, fewer with a sanitizer), EPIC_SEED selects them; both are
// printed.

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cluster/control/control_client.hpp"
#include "epic/client.hpp"
#include "integration/node/transfer_books.hpp"
#include "integration/node/victim.hpp"
#include "kernel/placement.hpp"
#include "protocol/json.hpp"
#include "storage/backup.hpp"
#include "storage/open_store.hpp"
#include "support/sanitizers.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::number_from;
using epic::test::ProjectDirectory;
using epic::test::TransferBooks;
using epic::test::TransferMail;
using epic::test::Victim;
using transfers::Courier;
using transfers::How;
using transfers::Purse;
namespace json = boost::json;
namespace storage = epic::storage;

namespace {

constexpr int kPurses = 300;
constexpr int kCouriers = 20;
constexpr int kPoisoned = 2;      // purses that receive poison …
constexpr int kLatePoisoned = 4;  // … and that of the late kind
constexpr int kGivers = 4;
constexpr std::uint64_t kTransfersBetweenFaults = 150;
constexpr std::size_t kRetriedAtOnce = 50;
constexpr std::size_t kViolationsShown = 20;
constexpr auto kProgressTimeout = 60s;
constexpr auto kQuietTimeout = 90s;  // a lost hint may cost a minute

std::string poisoned(std::uint64_t number) { return fmt::format("poison-{}", number % kPoisoned); }
std::string late_poisoned(std::uint64_t number) { return fmt::format("late-{}", number % kLatePoisoned); }

std::vector<std::string> list_purses() {
  std::vector<std::string> keys;
  for (int i = 0; i < kPurses; ++i) keys.push_back(std::to_string(i));
  for (int i = 0; i < kPoisoned; ++i) keys.push_back(poisoned(static_cast<std::uint64_t>(i)));
  for (int i = 0; i < kLatePoisoned; ++i) keys.push_back(late_poisoned(static_cast<std::uint64_t>(i)));
  return keys;
}

/// Threads that have purses give transfers, as many as they may by now.
class Givers {
 public:
  Givers(const Client& client, std::uint64_t seed) : client_(client) {
    for (std::uint64_t i = 0; i < kGivers; ++i)
      threads_.emplace_back([this, seed, i](const std::stop_token& stop) {
        std::mt19937_64 random(seed + i);
        while (!stop.stop_requested())
          if (acknowledged_ < allowed_)
            give(random() % kPurses, order(random));
          else
            ::poll(nullptr, 0, 1);
      });
  }
  void allow(std::uint64_t acknowledged) { allowed_ = acknowledged; }
  void finish() { threads_.clear(); }

  void give(std::uint64_t from, transfers::Order order) {
    if (order.to.key() == std::to_string(from)) return;
    try {
      const std::string id = client_.call(client_.get<Purse>(from)->give(std::move(order)));
      ++acknowledged_;
      const std::lock_guard lock(mutex_);
      ids_.push_back(id);
    } catch (const epic::Unavailable&) {  // did not start
    } catch (const epic::NodeLost&) {
      ++unknown_;
    } catch (const std::exception& error) {  // a call fails only where a node dies
      const std::lock_guard lock(mutex_);
      violations_.push_back(fmt::format("a call of Purse/{} failed: {}", from, error.what()));
    }
  }

  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t unknown() const { return unknown_; }
  // After finish().
  [[nodiscard]] const std::vector<std::string>& ids() const { return ids_; }
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

 private:
  transfers::Order order(std::mt19937_64& random) const {
    transfers::Order order;
    order.to = client_.get<Purse>(random() % kPurses);
    if (random() % 2 == 0) order.courier = std::to_string(random() % kCouriers);
    order.amount = static_cast<std::int64_t>(random() % 7 + 1);
    const std::uint64_t percent = random() % 100;
    if (percent < 2)
      order.how = How::never;
    else if (percent < 10)
      order.how = How::second_time;
    else if (percent < 24)
      order.how = How::waiting;
    else if (percent < 38)
      order.how = How::asking;
    else if (percent < 48 && !order.courier.empty())
      order.how = How::parting;
    return order;
  }

  Client client_;
  std::atomic<std::uint64_t> acknowledged_ = 0;
  std::atomic<std::uint64_t> allowed_ = 0;
  std::atomic<std::uint64_t> unknown_ = 0;
  std::mutex mutex_;
  std::vector<std::string> ids_;
  std::vector<std::string> violations_;
  std::vector<std::jthread> threads_;
};

/// Erases couriers, by a call and by an import, and puts earlier states of them back.
class Meddler {
 public:
  Meddler(const Client& client, const ProjectDirectory& project, std::uint64_t seed)
      : client_(client),
        socket_(project.path() / ".epic" / "control.sock"),
        random_(seed),
        thread_([this](const std::stop_token& stop) {
          while (!stop.stop_requested()) meddle();
          const auto deadline = std::chrono::steady_clock::now() + kProgressTimeout;
          while (!has_done_all() && std::chrono::steady_clock::now() < deadline) meddle();
        }) {}
  /// Afterwards all of it has happened, or the fabric was not able to for a long time.
  void finish() { thread_ = {}; }

  [[nodiscard]] bool has_done_all() const { return dissolved_ > 0 && removed_ > 0 && imported_ > 0; }
  [[nodiscard]] std::string counts() const {
    return fmt::format("{} couriers dissolved, {} removed, {} imported", dissolved_, removed_, imported_);
  }

 private:
  static constexpr std::uint32_t kShardCount = 64;
  static constexpr auto kPause = 10ms;
  static constexpr auto kAnswerWithin = 10s;

  void meddle() {
    const std::string key = std::to_string(random_() % kCouriers);
    switch (random_() % 4) {
      case 0:
        dissolve(key);
        break;
      case 1:
        remember(key);
        break;
      case 2:
        if (lines_.contains(key) && import(key, lines_.at(key))) ++imported_;
        break;
      default:
        if (import(key, epic::protocol::print_json(json::object{{"entity", "Courier/" + key}, {"remove", true}})))
          ++removed_;
    }
    ::poll(nullptr, 0, static_cast<int>(std::chrono::milliseconds(kPause).count()));
  }

  void dissolve(const std::string& key) {
    try {
      client_.call(client_.get<Courier>(key)->dissolve());
      ++dissolved_;
    } catch (const epic::Error&) {  // its node died
    }
  }
  /// Keeps what an export says of it, as the line that an import reads.
  void remember(const std::string& key) {
    auto control = epic::cluster::ControlClient::connect(socket_);
    if (!control) return;
    static_cast<void>(
        control->stream("export", json::object{{"type", "Courier"}, {"key", key}}, [&](const json::value& part) {
          const auto* const entity = part.as_object().if_contains("entity");
          if (entity != nullptr && entity->is_string()) lines_[key] = epic::protocol::print_json(part);
          return true;
        }));
  }
  bool import(const std::string& key, const std::string& line) {
    auto control = epic::cluster::ControlClient::connect(socket_);
    if (!control) return false;
    const std::uint32_t shard = epic::kernel::ungrouped(kShardCount).shard_of("Courier", key).value;
    const auto answer = control->request(
        "import", json::object{{"mode", "apply"}, {"shard", shard}, {"lines", json::array{json::value(line)}}},
        kAnswerWithin);
    return answer && answer->at("outcomes").at(0).at("what") == "done";
  }

  Client client_;
  std::filesystem::path socket_;
  std::mt19937_64 random_;
  std::map<std::string, std::string> lines_;  // by key
  std::uint64_t dissolved_ = 0;
  std::uint64_t removed_ = 0;
  std::uint64_t imported_ = 0;
  std::jthread thread_;
};

void report_all(const std::vector<std::string>& violations) {
  for (std::size_t i = 0; i < std::min(violations.size(), kViolationsShown); ++i) FAIL_CHECK(violations[i]);
  if (violations.size() > kViolationsShown) FAIL_CHECK("… and " << violations.size() - kViolationsShown << " others");
}

enum class Nodes : std::uint8_t { live, die };

/// Retries or drops dead letters. How many; fewer than there are while nodes are dying, when a request may fail.
/// Those that die again are logged, and the supervisor waits when nobody listens to it: so they are few at a time.
std::uint64_t settle_letters(Victim& victim, Nodes nodes, std::string_view action, std::vector<std::string> ids) {
  constexpr std::size_t kAtOnce = 100;
  std::uint64_t count = 0;
  while (!ids.empty()) {
    json::array some;
    for (; !ids.empty() && some.size() < kAtOnce; ids.pop_back()) some.emplace_back(ids.back());
    victim.fabric().listen();
    const auto answer = victim.fabric().connect().request("outbox", json::object{{"action", action}, {"ids", some}});
    if (answer)
      count += answer->at("count").to_number<std::uint64_t>();
    else if (nodes == Nodes::live)
      FAIL(action << " of dead letters: " << answer.error().message);
  }
  return count;
}

/// Waits until every message has arrived or is a dead letter.
TransferBooks wait_until_quiet(Victim& victim, const storage::StoreAddress& store) {
  const auto deadline = std::chrono::steady_clock::now() + kQuietTimeout;
  while (true) {
    victim.fabric().listen();
    TransferBooks books = TransferBooks::read(store);
    const auto left = std::ranges::find_if(
        books.mail(), [](const TransferMail& one) { return one.status != storage::MailStatus::dead; });
    if (left == books.mail().end()) return books;
    if (std::chrono::steady_clock::now() > deadline)
      FAIL("the message " << left->id << " to " << left->to << ", of the transfer " << left->transfer.id
                          << ", has not arrived");
    ::poll(nullptr, 0, 20);
  }
}

/// A letter for each node that has died of poison.
std::string read_deaths(const std::string& antidote) {
  std::string deaths;
  std::ifstream(transfers::deaths_file(antidote)) >> deaths;
  return deaths;
}

void wait_for_both_poisons(Victim& victim, const std::string& antidote) {
  const auto deadline = std::chrono::steady_clock::now() + kProgressTimeout;
  for (std::string deaths; !deaths.contains('f') || !deaths.contains('l'); deaths = read_deaths(antidote)) {
    if (std::chrono::steady_clock::now() > deadline) FAIL("one of the poisons has killed no node: '" << deaths << "'");
    victim.fabric().listen();
    ::poll(nullptr, 0, 10);
  }
}

bool is_never(const transfers::Transfer& transfer) { return transfer.how == How::never; }
bool is_not_never(const transfers::Transfer& transfer) { return !is_never(transfer); }
bool is_late_poison(const transfers::Transfer& transfer) { return transfer.how == How::late_poison; }
bool is_harmless(const transfers::Transfer& transfer) { return !is_never(transfer) && !is_late_poison(transfer); }

// Ids of transfers.
std::set<std::string> list_never(const TransferBooks& books) {
  std::set<std::string> never;
  for (const auto& [id, entry] : books.sent())
    if (entry.how == How::never) never.insert(id);
  return never;
}
std::set<std::string> list_in_mail(const TransferBooks& books) {
  std::set<std::string> ids;
  for (const TransferMail& one : books.mail()) ids.insert(one.transfer.id);
  return ids;
}

/// A fabric with money, in which faults are survived and then judged.
struct TransferLedger {
  std::uint64_t seed;
  ProjectDirectory project = {};
  storage::StoreAddress store = storage::locate_store("sqlite", project.path() / ".epic");
  std::string antidote = (project.path() / "antidote").string();
  std::int64_t money = static_cast<std::int64_t>(list_purses().size()) * transfers::kOpeningBalance;
  Victim victim{project, seed};
  Client client = Client::connect(project.path().string(), {.call_timeout = 20s});
  std::mt19937_64 random{seed};
  std::uint64_t retried = 0;

  [[nodiscard]] storage::StoreContent back_up(const std::filesystem::path& file) const {
    const auto content = storage::write_backup(store, file, {});
    if (!content) FAIL(content.error().message);
    CHECK(content->damaged == 0);
    return *content;
  }
  [[nodiscard]] TransferBooks read_backup() const {
    const std::filesystem::path file = project.path() / "backup";
    const storage::StoreContent content = back_up(file);
    TransferBooks books = TransferBooks::read({.kind = store.kind, .location = file});
    CHECK(content.messages() == books.mail().size());
    std::filesystem::remove(file);
    return books;
  }

  void suffer(std::uint64_t fault, Givers& givers) {
    const std::string what = victim.suffer();
    INFO("after '" << what << "', fault " << fault);
    const std::uint64_t before = givers.acknowledged();
    givers.allow(before + 2 * kTransfersBetweenFaults);  // some go on during the next fault
    const TransferBooks books = fault % 3 == 2 ? read_backup() : TransferBooks::read(store);
    CHECK(books.sent().size() >= before);
    report_all(books.judge(money));
    std::vector<std::string> dead = books.list_dead(is_harmless);
    dead.resize(std::min(dead.size(), kRetriedAtOnce));
    retried += settle_letters(victim, Nodes::die, "retry", dead);
    givers.give(random() % kPurses, poison(poisoned(fault), How::poison));
    givers.give(random() % kPurses, poison(late_poisoned(fault), How::late_poison));
    const auto deadline = std::chrono::steady_clock::now() + kProgressTimeout;
    while (givers.acknowledged() < before + kTransfersBetweenFaults) {
      if (std::chrono::steady_clock::now() > deadline) FAIL("no transfers are given");
      victim.fabric().listen();
      ::poll(nullptr, 0, 1);
    }
  }
  [[nodiscard]] transfers::Order poison(const std::string& to, How how) const {
    return {.to = client.get<Purse>(to), .courier = "", .amount = 1, .how = how, .antidote = antidote};
  }

  /// In peace: of what is a dead letter only what always throws stays one. After many faults there are thousands, so
  /// what has a limit is the time in which they do not become fewer.
  TransferBooks book_all(TransferBooks books) {
    std::size_t fewest = SIZE_MAX;
    auto deadline = std::chrono::steady_clock::now();
    for (auto dead = books.list_dead(is_not_never); !dead.empty(); dead = books.list_dead(is_not_never)) {
      if (dead.size() < fewest) deadline = std::chrono::steady_clock::now() + kQuietTimeout;
      fewest = std::min(fewest, dead.size());
      std::cout << dead.size() << " dead letters to book\n";
      if (std::chrono::steady_clock::now() > deadline) FAIL(dead.size() << " dead letters are not booked");
      retried += settle_letters(victim, Nodes::live, "retry", dead);
      books = wait_until_quiet(victim, store);
    }
    return books;
  }
  /// Then purses are all that the store has.
  void drop_the_rest() {
    const auto deadline = std::chrono::steady_clock::now() + kQuietTimeout;
    for (auto dead = TransferBooks::read(store).list_dead(is_never); !dead.empty();
         dead = TransferBooks::read(store).list_dead(is_never)) {
      if (std::chrono::steady_clock::now() > deadline) FAIL(dead.size() << " dead letters are not dropped");
      settle_letters(victim, Nodes::live, "drop", dead);
    }
    for (int i = 0; i < kCouriers; ++i) client.call(client.get<Courier>(i)->dissolve());
  }
};

}  // namespace

TEST_CASE("crash: every transfer by mail is booked once or is a dead letter, whatever happens to nodes and handlers",
          "[node][threads][memory]") {
  const std::uint64_t seed = number_from("EPIC_SEED", std::random_device()());
  const std::uint64_t faults = number_from("EPIC_FAULTS", epic::test::kIsSanitized ? 2 : 6);
  std::cout << fmt::format("EPIC_SEED={} EPIC_FAULTS={}\n", seed, faults);
  CAPTURE(seed);
  TransferLedger ledger{.seed = seed};
  for (const std::string& key : list_purses()) ledger.client.call(ledger.client.get<Purse>(key)->open());
  Givers givers(ledger.client, seed);
  Meddler meddler(ledger.client, ledger.project, seed);
  for (std::uint64_t fault = 0; fault < faults; ++fault) ledger.suffer(fault, givers);
  wait_for_both_poisons(ledger.victim, ledger.antidote);
  givers.allow(givers.acknowledged() + 10 * kTransfersBetweenFaults);  // the meddler needs couriers with a state
  meddler.finish();
  givers.finish();
  std::ofstream(ledger.antidote).flush();
  ledger.victim.restart_supervisor();  // forgets quarantines and delays: only what is stored counts now

  const TransferBooks quiet = wait_until_quiet(ledger.victim, ledger.store);
  report_all(quiet.judge(ledger.money));
  const std::size_t killed_late = quiet.list_dead(is_late_poison).size();
  const TransferBooks books = ledger.book_all(quiet);
  std::cout << fmt::format("{} faults, {} transfers, {} unknown, {} retried, {} never booked, {} deaths by poison\n",
                           faults, books.sent().size(), givers.unknown(), ledger.retried, books.mail().size(),
                           read_deaths(ledger.antidote).size());
  std::cout << meddler.counts() << "\n";
  report_all(books.judge(ledger.money));            // each is in one place; …
  CHECK(list_in_mail(books) == list_never(books));  // … that of the others are the books of their receivers
  report_all(givers.violations());
  CHECK(std::ranges::all_of(givers.ids(), [&](const std::string& id) { return books.sent().contains(id); }));
  CHECK(books.sent().size() <= givers.acknowledged() + givers.unknown());
  CHECK_FALSE(list_never(books).empty());
  CHECK(killed_late > 0);
  CHECK(meddler.has_done_all());

  ledger.drop_the_rest();
  const storage::StoreContent content = ledger.back_up(ledger.project.path() / "end");
  CHECK(content.entities == list_purses().size());
  CHECK(content.messages() == 0);
  CHECK(content.reminders == 0);
  CHECK(content.answers == 0);
}
