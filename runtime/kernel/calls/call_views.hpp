#pragma once
// CallViews: the calls in flight as `epic calls` and `epic inspect` show them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/calls/calls.hpp"
#include "kernel/calls/parked_frames.hpp"
#include "kernel/placement.hpp"
#include "kernel/saving/saving.hpp"

namespace epic::kernel {

struct CallView {
  CallId id;
  std::string entity;  // callee
  std::string method;
  std::string caller;  // "Type/Key.method", "setup", "client" …
  std::string state;   // "queued", "waiting for the lock of …", "running", "sent to node-3" …
  std::int64_t age_ns = 0;
  NodeId sent_to;                  // unanswered at this node; 0: it is not
  std::vector<ChainLink> waiting;  // its callers, outermost first
};

class CallViews {
 public:
  struct Uses {
    const Placement& placement;
    const Clock& clock;
    const CallWords& words;
    const Routing& routing;
    const Saving& saving;
    const Calls& calls;
    const ParkedFrames& parked;
    const Syscalls& syscalls;
  };

  explicit CallViews(const Uses& uses) : uses_(uses) {}

  /// The oldest kCallViewsMax calls: those to or by `entity`, or all if that is empty.
  [[nodiscard]] std::vector<CallView> list(std::string_view entity) const;

 private:
  [[nodiscard]] CallView view_of(const Record& record, const char* running) const;
  [[nodiscard]] std::string_view describe_queue(const Record& record) const;

  Uses uses_;
};

}  // namespace epic::kernel
