#pragma once
// Teller: pays small amounts from one customer's account to another's, ten times a second, until it has done its work.
//
// Its timers live in memory, and are gone when its node dies. So tellers form a ring, and each calls the next one once
// a second. If that is not in memory, the call brings it back on another node, where on_activate starts its timers.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <epic/epic.hpp>

/// Account/1 to Account/50, and Teller/1 to Teller/4.
inline constexpr std::uint64_t kCustomers = 50;
inline constexpr int kTellers = 4;

/// Payments: still to be made, made, and refused by the payer's account, or without an answer.
struct Tally {
  std::int64_t left = 0;
  std::int64_t paid = 0;
  std::int64_t refused = 0;
};
BOOST_DESCRIBE_STRUCT(Tally, (), (left, paid, refused))

class Teller : public epic::Entity {
  Tally tally;
  epic::Ref<Teller> next;
  epic::Timer payments_;
  epic::Timer rounds_;

 public:
  epic::Task<> on_activate() override;

  /// Has `payments` still to make, whatever was left.
  epic::Task<void> work(std::int64_t payments, epic::Ref<Teller> next_teller);

  epic::Task<Tally> get_tally() const;

  // Ticks.
  epic::Task<void> pay();
  epic::Task<void> look_after_next() const;

  EPIC_ENTITY(Teller, state(tally, next), methods(work, get_tally, pay, look_after_next))

 private:
  void start_timers();
};
