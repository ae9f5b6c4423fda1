#pragma once
// Accounts whose answers carry the activation that gave them and the sequence number of the change. So a client that
// collects the answers can check whether one was lost, and whether two activations ever coexisted.
//
// Money moves in two ways. transfer() keeps an outbox of its own, keyed by call_id(): a transfer is booked together
// with its pending delivery, and the receiver remembers what it has booked, so it may be interrupted and repeated.
// send() sends a message; the receiver counts those of each sender, so that one that is lost, doubled or overtaken
// shows.

#include <unistd.h>

#include <boost/describe/class.hpp>
#include <chrono>
#include <cstdint>
#include <epic/epic.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace ledger {

inline constexpr std::int64_t kOpeningBalance = 1'000;

struct Stamp {
  std::int64_t activation = 0;
  std::int64_t change = 0;  // its sequence number, from 1
};
BOOST_DESCRIBE_STRUCT(Stamp, (), (activation, change))

/// The first change that an activation made.
struct Reign {
  std::int64_t activation = 0;
  std::int64_t first_change = 0;
};
BOOST_DESCRIBE_STRUCT(Reign, (), (activation, first_change))

struct Books {
  std::int64_t balance = kOpeningBalance;
  std::int64_t count = 0;
  std::int64_t changes = 0;
  std::vector<Reign> reigns;
  std::int64_t sent = 0;  // messages
  std::int64_t received = 0;
  std::int64_t misdelivered = 0;  // not the next one of its sender
};
BOOST_DESCRIBE_STRUCT(Books, (), (balance, count, changes, reigns, sent, received, misdelivered))

/// Of this process; a simulation, where all that happens must follow from the seed, sets its own.
inline std::int64_t process_number = ::getpid();

/// Unique among all activations in all processes.
inline std::int64_t make_activation_number() {
  static std::int64_t last = 0;
  return process_number << 32 | ++last;
}

class Account;
struct Transfer {
  epic::Ref<Account> to;
  std::int64_t amount = 0;
};
BOOST_DESCRIBE_STRUCT(Transfer, (), (to, amount))

/// What the calls with one idempotency key have done; each is to have one effect.
struct Payment {
  std::int64_t begun = 0;
  std::int64_t finished = 0;
};
BOOST_DESCRIBE_STRUCT(Payment, (), (begun, finished))

class Account : public epic::Entity {
  Books books;
  std::map<std::string, Payment> payments;            // by key
  std::map<std::string, Transfer> outbox;             // by the call that requested it
  std::set<std::string> booked;                       // ids of received transfers
  std::map<std::string, std::int64_t> sent_to;        // messages, by receiver
  std::map<std::string, std::int64_t> received_from;  // … and by sender
  std::int64_t activation_ = make_activation_number();

  Stamp change() {
    ++books.changes;
    if (books.reigns.empty() || books.reigns.back().activation != activation_)
      books.reigns.push_back({activation_, books.changes});
    return {activation_, books.changes};
  }

  epic::Task<void> deliver(std::string id) {
    const Transfer transfer = outbox.at(id);
    co_await transfer.to->book(id, transfer.amount);
    if (outbox.erase(id) > 0) change();
  }

 public:
  epic::Task<Stamp> add() {
    ++books.count;
    co_return change();
  }
  epic::Task<Stamp> transfer(epic::Ref<Account> to, std::int64_t amount) {
    const std::string id = epic::call_id();
    books.balance -= amount;
    outbox.emplace(id, Transfer{to, amount});
    const Stamp stamp = change();
    co_await deliver(id);
    co_return stamp;
  }
  epic::Task<void> book(std::string id, std::int64_t amount) {
    if (!booked.insert(id).second) co_return;
    books.balance += amount;
    change();
  }
  epic::Task<Stamp> send(epic::Ref<Account> to, std::int64_t amount) {
    books.balance -= amount;
    ++books.sent;
    epic::deliver(to->receive(std::string(key()), ++sent_to[std::string(to.key())], amount));
    co_return change();
  }
  epic::Task<void> receive(std::string from, std::int64_t number, std::int64_t amount) {
    if (number != ++received_from[from]) ++books.misdelivered;
    ++books.received;
    books.balance += amount;
    change();
    co_return;
  }
  /// To be called with `id` as its idempotency key. Waits between two turns, if at all.
  epic::Task<Stamp> pay(std::string id, std::int64_t wait_ms) {
    ++payments[id].begun;
    Stamp stamp = change();
    if (wait_ms > 0) {
      co_await epic::sleep(std::chrono::milliseconds(wait_ms));
      stamp = change();
    }
    ++payments[id].finished;
    co_return stamp;
  }
  epic::Task<std::map<std::string, Payment>> get_payments() const { co_return payments; }
  /// Delivers what an interruption has left behind; returns the number of deliveries.
  epic::Task<std::uint64_t> settle() {
    const std::map<std::string, Transfer> left = outbox;
    for (const auto& [id, transfer] : left)
      if (outbox.contains(id)) co_await deliver(id);
    co_return left.size();
  }
  /// The newest change and the activation that made it.
  epic::Task<Stamp> look() const {
    co_return Stamp{books.reigns.empty() ? 0 : books.reigns.back().activation, books.changes};
  }
  epic::Task<Books> get_books() const { co_return books; }
  EPIC_ENTITY(Account, state(books, payments, outbox, booked, sent_to, received_from),
              methods(add, transfer, book, send, receive, pay, get_payments, settle, look, get_books))
};

/// Reports to others what it has seen.
class Teller : public epic::Entity {
 public:
  epic::Task<Stamp> look_at(epic::Ref<Account> account) { co_return co_await account->look(); }
  EPIC_ENTITY(Teller, methods(look_at), transient)
};

}  // namespace ledger
