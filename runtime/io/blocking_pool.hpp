#pragma once
// BlockingPool: where the functions of epic::blocking run. A real node has threads for them (blocking_threads.hpp), a
// simulated one events (cluster/sim).

#include <memory>
#include <vector>

#include "epic/blocking.hpp"

namespace epic::io {

/// Execution thread.
class BlockingPool {
 public:
  using Work = std::shared_ptr<detail::BlockingWork>;

  virtual ~BlockingPool() = default;
  /// Runs it at the next flush() or later, unless it is abandoned by then.
  virtual void start(Work work) = 0;
  virtual void flush() = 0;
  /// What has run since the last time, or need not run. Its owner gets everything back that it has started.
  [[nodiscard]] virtual std::vector<Work> take_ended() = 0;
};

}  // namespace epic::io
