#pragma once
// Presence: is a user there? Presence/ann is User/ann's. Her program calls `beat` every ten seconds.
//
// That is true now or never, so it is not saved: a save for each beat of each user would cost more than it is worth.
// After a crash nobody knows who is there until they have said so again. A presence that comes into memory knows that
// it does not know, and says `unknown`, not `offline`.

#include <boost/describe/enum.hpp>
#include <chrono>
#include <cstdint>
#include <epic/epic.hpp>

enum class Status : std::uint8_t { unknown, online, offline };
BOOST_DESCRIBE_ENUM(Status, unknown, online, offline)

class Presence : public epic::Entity {
  Status status_ = Status::unknown;
  epic::Timer silence_;

 public:
  static constexpr std::chrono::seconds kSilenceMax{30};  // since the last beat

  epic::Task<> on_activate() override;

  epic::Task<void> beat();
  epic::Task<void> leave();
  epic::Task<Status> get_status() const;

  // A tick: nothing was heard for too long.
  epic::Task<void> give_up();

  EPIC_ENTITY(Presence, transient, methods(beat, leave, get_status, give_up))
};
