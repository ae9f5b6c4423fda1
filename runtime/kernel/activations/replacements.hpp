#pragma once
// Replacements: states from outside (an import) that are about to replace entities' states.
//
// A live instance is deactivated in order: its running calls end, calls that those wait for may still enter, its
// changes are saved, and it leaves memory. Otherwise only its version is loaded. Either way an activation without an
// instance remains, where calls wait. The new state goes into the next batch under it, and when that is durable the
// calls go to a new instance.
//
// Here is which ones are in progress, and until when; Activations carries them out.

#include <cstdint>
#include <expected>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/activations/activation_table.hpp"
#include "kernel/admission.hpp"
#include "kernel/clock.hpp"
#include "kernel/placement.hpp"
#include "kernel/routing/routing.hpp"
#include "kernel/type_table.hpp"

namespace epic::kernel {

/// A state that is to replace an entity's own.
struct NewState {
  std::string_view type;
  std::string_view key;
  std::optional<std::vector<std::byte>> state;  // by the class's current schema; empty: the entity starts afresh
  std::optional<Version> only_if;               // another version is left alone
};

class Replacements {
 public:
  struct Target {
    detail::NamePtr name;
    const TypeEntry* type;
    ShardId shard;
  };

  Replacements(const Placement& placement, const Clock& clock, const ActivationTable& table, TypeTable& types,
               const Routing& routing, const Admission& admission)
      : placement_(placement), clock_(clock), table_(table), types_(types), routing_(routing), admission_(admission) {}

  /// The entity that it is for, or why it cannot replace that entity's state now.
  [[nodiscard]] std::expected<Target, ErrorPart> check(const NewState& asked) const;
  void begin(Activation& activation, NewState asked, OnReplaced on_end);
  /// Nothing of the instance is left to save: how the replacement ends, or empty if the new state is still to be
  /// written.
  [[nodiscard]] static std::optional<Replaced> find_outcome(const Activation& activation);
  void end(Activation& activation, std::expected<Replaced, ErrorPart> outcome);
  /// Returns, once each, the activations whose running calls have had their time.
  [[nodiscard]] std::vector<ActivationId> take_overdue();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
  }

 private:
  const Placement& placement_;
  const Clock& clock_;
  const ActivationTable& table_;
  TypeTable& types_;
  const Routing& routing_;
  const Admission& admission_;
  std::set<std::pair<std::int64_t, ActivationId>> deadlines_;  // of those whose running calls still have time
  std::size_t count_ = 0;                                      // all that have begun and not ended
};

}  // namespace epic::kernel
