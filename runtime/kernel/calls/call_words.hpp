#pragma once
// CallWords: how calls are named in errors, logs and lists, and in the chain that goes with a call to another node.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernel/calls/call_table.hpp"
#include "kernel/events/trail.hpp"
#include "kernel/messages.hpp"
#include "kernel/scheduler.hpp"
#include "kernel/type_table.hpp"

namespace epic::kernel {

class CallWords {
 public:
  CallWords(PeerAddress self, std::int64_t call_timeout_ns, const TypeTable& types, const Scheduler& scheduler)
      : self_(self), call_timeout_ns_(call_timeout_ns), types_(types), scheduler_(scheduler) {}

  /// As the call's maker named it.
  [[nodiscard]] CallId id_of(const Record& record) const;
  /// An entity's name as users write it; empty for a call of no entity.
  [[nodiscard]] std::string shown(const detail::NamePtr& name) const;
  /// What is not a method: "setup", "on_activate", "task".
  /// What runs, in its entity: a method's name, that of a tick's method, or empty.
  [[nodiscard]] static std::string method_of(const Record& record) {
    if (record.method != nullptr) return std::string(record.method->name);
    return record.site != nullptr && record.site->tick ? record.site->label : std::string();
  }
  [[nodiscard]] static std::string label_of(const Record& record) {
    return record.site != nullptr && !record.site->label.empty() ? record.site->label : "task";
  }
  /// "Player/Bob.enter_level", "setup", "Player/Bob.on_activate", "Player/Bob.task".
  [[nodiscard]] std::string describe(const Record& record) const;
  /// The callers that wait for the call, outermost first: "setup > Player/Bob.enter_level".
  [[nodiscard]] std::string describe_caller(const Record& record) const;
  /// "waiting for the lock of Account/7, held by transfer 1.2.55".
  [[nodiscard]] std::string describe_lock(const Record& record) const;
  /// "Match/7.play waited 30 s for Player/Bob.join: <doing>".
  [[nodiscard]] std::string describe_timeout(const Record& record, const std::string& doing) const;
  /// Says what keeps a call from ending, for a caller whose wait has timed out. Each call that is looked at costs one
  /// of `visits_left`.
  [[nodiscard]] std::string describe_doing(const Record& record, const CallTable& calls,
                                           std::size_t& visits_left) const;
  /// Says that a call waits because its peer has no room for it.
  [[nodiscard]] static std::string describe_no_room(NodeId node);
  /// For the event of an activation that `record` asks for.
  [[nodiscard]] Cause cause_of(const Record& record) const;
  /// Outermost first, `record` itself last.
  [[nodiscard]] std::vector<ChainLink> chain_of(const Record* record) const;
  /// The extensions that a call made by `caller` inherits: the trace that the caller itself belongs to.
  [[nodiscard]] static std::optional<CallExtensions> extensions_from(const Record* caller);
  [[nodiscard]] std::int64_t begun_ns_of(const Record& record) const;
  [[nodiscard]] std::int64_t timeout_ns_of(const Record& record) const {
    return record.timeout_ns != 0 ? record.timeout_ns : call_timeout_ns_;
  }
  [[nodiscard]] const PeerAddress& self() const { return self_; }

 private:
  struct Waits {
    std::string text;
    bool has_seen_all = true;  // otherwise there may be others
  };
  [[nodiscard]] Waits describe_waits(const Record& record, const CallTable& calls, std::size_t& visits_left,
                                     int depth) const;

  PeerAddress self_;
  std::int64_t call_timeout_ns_;
  const TypeTable& types_;
  const Scheduler& scheduler_;
};

}  // namespace epic::kernel
