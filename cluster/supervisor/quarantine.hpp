#pragma once
// Quarantine: entities that have killed their nodes again and again are put aside, so that all others go on.
//
// Three deaths of nodes within a minute while one entity's code was running, and calls to it are refused for a while.
// Then it may try again; when it kills a node once more it is put aside for twice as long, up to an hour. After an hour
// without a death it counts as well. A turn that the supervisor has ended takes most of a minute by itself, so its time
// does not count.
//
// Not here: how a node refuses the calls (the kernel), what was running (crash_memory.hpp), which deaths count
// (NodeExit::counts_against).

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/machines.hpp"

namespace epic::cluster {

/// Single-threaded; time is given.
class Quarantine {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr int kDeathsMax = 3;
  static constexpr std::chrono::seconds kDeathsWithin{60};
  static constexpr std::chrono::seconds kFirst{10};
  static constexpr std::chrono::seconds kLongest{3600};
  static constexpr std::size_t kNotedMax = 256;
  static constexpr std::size_t kSuspectsMax = 10'000;  // beyond, the one that died longest ago is forgotten

  struct Entry {
    std::string entity;
    std::string method;         // that was running last
    std::uint32_t deaths = 0;   // since it counted as well
    std::chrono::seconds left;  // until the next attempt, rounded up
  };

  /// A node has died while `entity` was running, for `blocked` if it had to be killed for that. Its entry, if it is put
  /// aside by that.
  std::optional<Entry> on_death(const std::string& entity, const std::string& method, Time now,
                                std::chrono::milliseconds blocked = {});
  /// False: it was not put aside. Its deaths so far are forgotten.
  bool release(const std::string& entity);
  /// For the next leader: the suspects that died last, kNotedMax of them.
  [[nodiscard]] std::vector<protocol::FabricNotes::Suspect> note(Time now) const;
  /// What a former leader has noted, at `then`.
  void go_on(const std::vector<protocol::FabricNotes::Suspect>& noted, Time then);
  /// The entities that are refused now.
  [[nodiscard]] std::vector<Entry> list(Time now) const;

 private:
  struct Suspect {
    std::string method;
    std::deque<Time> recent;  // deaths within the last minute, on a clock that stands still in blocked turns
    std::chrono::milliseconds blocked{0};
    std::uint32_t deaths = 0;
    Time last{};
    Time until{};
    std::chrono::seconds wait{0};  // 0: it has not been put aside yet
  };
  [[nodiscard]] static Entry entry_of(const std::string& entity, const Suspect& suspect, Time now);
  void forget_old(Time now);

  std::map<std::string, Suspect> suspects_;
};

}  // namespace epic::cluster
