#pragma once
// Record: a call as the kernel sees it. detail::CallRecord (public header epic/call.hpp) is what every call has. What
// few have is in a CallSite: calls from and to other processes, those that wait for a shard, and what runs without
// being a method (setup, hooks, spawned tasks).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "epic/call.hpp"
#include "kernel/batch.hpp"
#include "kernel/messages.hpp"
#include "kernel/routing/routed_call.hpp"
#include "reflect/schema.hpp"

namespace epic::kernel {

using Record = detail::CallRecord;
using RecordRef = detail::RecordPtr<Record>;

}  // namespace epic::kernel

namespace epic::detail {

/// Of a record that is a timer's tick.
struct Tick {
  std::uint64_t skipped = 0;  // ticks since the one before
  bool is_use = true;         // of the entity, which keeps it in memory
};

/// Owned by its record.
struct CallSite : kernel::RoutedCall {
  explicit CallSite(CallRecord& of) : record(of) {}
  CallRecord& record;
  kernel::CallId id;                                   // as named by the caller
  std::vector<kernel::ChainLink> chain;                // what waits for it on other nodes, outermost first
  std::unique_ptr<kernel::CallExtensions> extensions;  // what else came with it; null for most calls
  std::function<void(CallRecord&)> on_end;             // outside callers of this process: after the gate
  std::function<void(CallRecord&)> on_hook_end;        // hooks of the kernel itself: at once
  bool is_refused = false;                             // its sender went by an old map, or the shard has left
  std::string label;          // of a record without a method: "setup", "on_activate"; of a tick, its method
  std::int64_t begun_ns = 0;  // of a record without a deadline
  std::optional<Tick> tick;
  std::optional<kernel::MailId> mail;  // of a call that a message makes
  /// Something other than a caller in this kernel gets the outcome.
  [[nodiscard]] bool reports() const { return has_arrived() || on_end || on_hook_end || mail; }
};

}  // namespace epic::detail
