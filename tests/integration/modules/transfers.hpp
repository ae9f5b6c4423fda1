#pragma once
// Money that moves by mail alone: purses send transfers to each other, straight or by a courier, and what receives one
// behaves as the transfer says. It books at once, throws, waits before it books, or kills its node.
//
// Whatever happens, a transfer is in exactly one place: a message (perhaps a dead letter), or an entry in the books of
// its receiver. For that each handler books in its last turn, which removes the message. A courier keeps no money: what
// it got is in a message again when its turn ends, so couriers may be erased and replaced while they work.

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <epic/epic.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace transfers {

inline constexpr std::int64_t kOpeningBalance = 1'000;

/// What its receiver does; by a courier it is the courier that does it.
enum class How : std::uint8_t {
  at_once,
  second_time,  // throws when it gets it first
  never,        // always throws
  waiting,      // books after a sleep …
  asking,       // … or after a call of another entity
  parting,      // a courier erases itself in the turn in which it passes it on
  poison,       // kills its node, until there is an antidote
  late_poison,  // … after its first turn
};
BOOST_DESCRIBE_ENUM(How, at_once, second_time, never, waiting, asking, parting, poison, late_poison)

class Purse;
struct Transfer {
  std::string id;
  epic::Ref<Purse> from;
  epic::Ref<Purse> to;
  std::int64_t amount = 0;
  How how = How::at_once;
  std::string antidote;  // a file, for poison
};
BOOST_DESCRIBE_STRUCT(Transfer, (), (id, from, to, amount, how, antidote))

/// In the books of its sender and of its receiver.
struct Entry {
  std::string id;
  std::int64_t amount = 0;
  How how = How::at_once;
  std::string courier;  // its key; empty: none
};
BOOST_DESCRIBE_STRUCT(Entry, (), (id, amount, how, courier))

/// Asks a purse for a transfer.
struct Order {
  epic::Ref<Purse> to;
  std::string courier;  // as in Entry
  std::int64_t amount = 0;
  How how = How::at_once;
  std::string antidote;
};
BOOST_DESCRIBE_STRUCT(Order, (), (to, courier, amount, how, antidote))

/// Gets a letter for each node that dies of poison: "f" in the first turn, "l" later.
inline std::string deaths_file(const std::string& antidote) { return antidote + ".deaths"; }

/// Its receiver notes that it has met it.
inline bool refuses(How how) { return how == How::second_time || how == How::late_poison; }

/// Returns when the transfer may be booked, in the last turn of the method that awaits it.
epic::Task<void> prepare(Transfer transfer, bool is_first_time);

class Courier : public epic::Entity {
  std::vector<std::string> carried;
  std::set<std::string> refused;

 public:
  epic::Task<void> carry(Transfer transfer);
  epic::Task<void> dissolve() {
    epic::erase();
    co_return;
  }
  EPIC_ENTITY(Courier, state(carried, refused), methods(carry, dissolve))
};

class Purse : public epic::Entity {
  std::int64_t balance = 0;
  std::vector<Entry> sent;
  std::vector<Entry> booked;
  std::set<std::string> refused;

 public:
  epic::Task<void> open() {
    balance = kOpeningBalance;
    co_return;
  }
  /// Returns its id.
  epic::Task<std::string> give(Order order) {
    Transfer transfer{.id = std::string(key()) + '.' + std::to_string(sent.size() + 1),
                      .from = epic::Ref<Purse>(key()),
                      .to = order.to,
                      .amount = order.amount,
                      .how = order.how,
                      .antidote = order.antidote};
    balance -= order.amount;
    sent.push_back({transfer.id, order.amount, order.how, order.courier});
    const std::string id = transfer.id;
    if (order.courier.empty())
      epic::deliver(order.to->take(std::move(transfer)));
    else
      epic::deliver(epic::Ref<Courier>(order.courier)->carry(std::move(transfer)));
    co_return id;
  }
  epic::Task<void> take(Transfer transfer) {
    const bool is_first_time = refuses(transfer.how) && refused.insert(transfer.id).second;
    co_await prepare(transfer, is_first_time);
    balance += transfer.amount;
    booked.push_back({transfer.id, transfer.amount, transfer.how, ""});
  }
  epic::Task<std::int64_t> get_balance() const { co_return balance; }
  EPIC_ENTITY(Purse, state(balance, sent, booked, refused), methods(open, give, take, get_balance))
};

inline epic::Task<void> prepare(Transfer transfer, bool is_first_time) {
  using namespace std::chrono_literals;
  switch (transfer.how) {
    case How::at_once:
    case How::parting:
      co_return;
    case How::second_time:
      if (is_first_time) throw std::runtime_error("not the first time");
      co_return;
    case How::never:
      throw std::runtime_error("never");
    case How::waiting:
      co_await epic::sleep(2ms);
      co_return;
    case How::asking:
      static_cast<void>(co_await transfer.from->get_balance());
      co_return;
    case How::late_poison:
      co_await epic::saved();  // that it has begun
      break;
    case How::poison:
      break;
  }
  if (std::filesystem::exists(transfer.antidote)) co_return;
  std::ofstream(deaths_file(transfer.antidote), std::ios::app) << (transfer.how == How::poison ? 'f' : 'l');
  std::abort();
}

inline epic::Task<void> Courier::carry(Transfer transfer) {
  const bool is_first_time = refuses(transfer.how) && refused.insert(transfer.id).second;
  co_await prepare(transfer, is_first_time);
  carried.push_back(transfer.id);
  if (transfer.how == How::parting) epic::erase();
  transfer.how = How::at_once;
  epic::deliver(transfer.to->take(transfer));
}

}  // namespace transfers
