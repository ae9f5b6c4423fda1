#include "integration/node/ledger_callers.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <utility>

namespace epic::test {

using namespace std::chrono_literals;
using ledger::Account;
using ledger::Teller;

namespace {

constexpr std::size_t kAccounts = 1'000;
constexpr std::uint64_t kLedgerCallers = 8;
constexpr std::uint64_t kKeyedCallers = 4;
constexpr std::int64_t kKeyedWaitMs = 5;  // of every fourth call with a key, between its turns
constexpr auto kPeaceTimeout = 60s;
constexpr auto kArrivalTimeout = 180s;  // of messages: a lost hint may cost a minute

std::int64_t any_account(std::mt19937_64& random) { return static_cast<std::int64_t>(random() % kAccounts); }

Call<ledger::Stamp> move_money(const Ref<Account>& from, const Ref<Account>& to, std::mt19937_64& random) {
  return random() % 2 == 0 ? from->transfer(to, 1) : from->send(to, 1);
}

void pause_for(std::chrono::milliseconds time) {
  if (time > 0ms) ::poll(nullptr, 0, static_cast<int>(time.count()));
}

/// Repeats a call that changes nothing until it succeeds.
template <class MakeCall>
auto insist(const Client& client, MakeCall make_call) {
  const auto deadline = std::chrono::steady_clock::now() + kPeaceTimeout;
  while (true) {
    try {
      return client.call(make_call());
    } catch (const Error&) {
      if (std::chrono::steady_clock::now() > deadline) throw;
    }
  }
}

}  // namespace

// ---- without keys ----

LedgerCallers::LedgerCallers(std::vector<Client> clients, std::uint64_t seed, CallerOptions options)
    : clients_(std::move(clients)), options_(options), witness_(kAccounts) {
  for (std::uint64_t i = 0; i < kLedgerCallers; ++i)
    threads_.emplace_back(
        [this, seed, i](const std::stop_token& stop) { run(clients_[i % clients_.size()], seed + i, stop); });
}

void LedgerCallers::run(const Client& client, std::uint64_t seed, const std::stop_token& stop) {
  std::mt19937_64 random(seed);
  while (!stop.stop_requested()) {
    const auto begun = std::chrono::steady_clock::now();
    call_once(client, random);
    note_wait(std::chrono::steady_clock::now() - begun);
    pause_for(options_.pause);
  }
}

void LedgerCallers::call_once(const Client& client, std::mt19937_64& random) {
  const std::size_t account = random() % kAccounts;
  const std::int64_t known = witness_.known_changes(account);
  const auto ref = client.get<Account>(static_cast<std::int64_t>(account));
  const std::uint64_t what = random() % 6;
  try {
    if (what < 3)
      witness_.on_added(account, client.call(ref->add()));
    else if (what < 5)
      witness_.on_transferred(account, client.call(move_money(ref, client.get<Account>(any_account(random)), random)));
    else
      witness_.on_shown(
          account, client.call(client.get<Teller>(static_cast<std::int64_t>(random() % kLedgerCallers))->look_at(ref)),
          known);
  } catch (const Unavailable&) {  // did not start
  } catch (const NodeLost&) {     // the node of the call, or of a transfer's delivery: it may have run
    if (what < 3) witness_.on_unknown(account);
  } catch (const std::exception& error) {  // a call fails only where a node dies
    if (!options_.may_time_out || dynamic_cast<const Timeout*>(&error) == nullptr)
      witness_.on_violation(fmt::format("a call of Account/{} failed: {}", account, error.what()));
    else if (what < 3)
      witness_.on_unknown(account);
  }
}

void LedgerCallers::note_wait(std::chrono::nanoseconds wait) {
  const std::int64_t wait_ms = std::chrono::duration_cast<std::chrono::milliseconds>(wait).count();
  std::int64_t longest = longest_wait_ms_;
  while (wait_ms > longest && !longest_wait_ms_.compare_exchange_weak(longest, wait_ms)) {
  }
}

std::vector<std::string> LedgerCallers::judge() const {
  const Client& client = clients_.front();
  std::vector<ledger::Books> books;
  for (std::size_t i = 0; i < kAccounts; ++i)
    insist(client, [&] { return client.get<Account>(static_cast<std::int64_t>(i))->settle(); });
  const auto deadline = std::chrono::steady_clock::now() + kArrivalTimeout;
  do {
    books.clear();
    for (std::size_t i = 0; i < kAccounts; ++i)
      books.push_back(insist(client, [&] { return client.get<Account>(static_cast<std::int64_t>(i))->get_books(); }));
  } while (!Witness::is_settled(books) && std::chrono::steady_clock::now() < deadline);
  return witness_.judge(books);
}

// ---- with keys ----

KeyedCallers::KeyedCallers(std::vector<Client> clients, std::uint64_t seed, CallerOptions options)
    : clients_(std::move(clients)), options_(options) {
  for (std::uint64_t i = 0; i < kKeyedCallers; ++i)
    threads_.emplace_back(
        [this, seed, i](const std::stop_token& stop) { run(clients_[i % clients_.size()], seed + i, i, stop); });
}

std::string KeyedCallers::counts() const {
  return fmt::format("{} keys, {} calls with them, {} interrupted", keys_.size(), calls_.load(), interrupted_.load());
}

std::vector<std::string> KeyedCallers::judge() {
  for (Key& key : keys_) {
    const auto deadline = std::chrono::steady_clock::now() + kPeaceTimeout;
    while (!call(clients_.front(), key) && std::chrono::steady_clock::now() < deadline) {
    }
  }
  std::map<std::size_t, std::map<std::string, ledger::Payment>> payments;
  for (const Key& key : keys_) {
    auto& of_account = payments[key.account];
    if (of_account.empty()) of_account = look(key.account);
    const ledger::Payment done = of_account[key.name];
    const bool is_right = done.begun == 1 && (key.is_interrupted ? done.finished <= 1 : done.finished == 1);
    if (!is_right || (!key.answer && !key.is_interrupted))
      note(fmt::format("{} on Account/{} began {} times and ended {} times{}", key.name, key.account, done.begun,
                       done.finished, key.is_interrupted ? ", and was interrupted" : ""));
  }
  return violations_;
}

void KeyedCallers::run(const Client& client, std::uint64_t seed, std::uint64_t number, const std::stop_token& stop) {
  std::mt19937_64 random(seed);
  std::vector<Key> mine;
  while (!stop.stop_requested()) {
    const bool is_repeat = !mine.empty() && random() % 2 == 0;
    if (!is_repeat)
      mine.push_back({.name = fmt::format("pay-{}-{}", number, mine.size()),
                      .account = random() % kAccounts,
                      .wait_ms = random() % 4 == 0 ? kKeyedWaitMs : 0});
    static_cast<void>(call(client, is_repeat ? mine[random() % mine.size()] : mine.back()));
    pause_for(options_.pause);
  }
  const std::lock_guard lock(mutex_);
  keys_.insert(keys_.end(), mine.begin(), mine.end());
}

/// False: the outcome is still unknown.
bool KeyedCallers::call(const Client& client, Key& key) {
  ++calls_;
  try {
    const auto account = client.get<Account>(static_cast<std::int64_t>(key.account));
    const ledger::Stamp answer = client.call(account->pay(key.name, key.wait_ms), {.idempotency_key = key.name});
    if (key.is_interrupted) note(key.name + " was interrupted, and answered later");
    if (key.answer && (key.answer->activation != answer.activation || key.answer->change != answer.change))
      note(
          fmt::format("{} was answered with change {}, and then with {}", key.name, key.answer->change, answer.change));
    key.answer = answer;
    return true;
  } catch (const Interrupted&) {
    if (key.answer) note(key.name + " was answered, and interrupted later");
    if (!std::exchange(key.is_interrupted, true)) ++interrupted_;
    return true;
  } catch (const Unavailable&) {  // did not start
  } catch (const Timeout&) {      // its node was lost, and no other answered in time
  } catch (const std::exception& error) {
    note(fmt::format("{} failed: {}", key.name, error.what()));
  }
  return false;
}

std::map<std::string, ledger::Payment> KeyedCallers::look(std::size_t account) {
  const Client& client = clients_.front();
  return insist(client, [&] { return client.get<Account>(static_cast<std::int64_t>(account))->get_payments(); });
}

void KeyedCallers::note(std::string violation) {
  const std::lock_guard lock(mutex_);
  violations_.push_back(std::move(violation));
}

}  // namespace epic::test
