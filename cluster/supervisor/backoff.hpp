#pragma once
// Backoff: how long to wait before restarting something that keeps failing.

#include <chrono>

namespace epic::cluster {

struct RestartPolicy {
  std::chrono::milliseconds delay_first{100};  // doubled with each failure …
  std::chrono::milliseconds delay_max{std::chrono::seconds(10)};
  std::chrono::milliseconds forget_after{std::chrono::minutes(1)};  // … and reset after running this long
};

class Backoff {
 public:
  explicit Backoff(RestartPolicy policy) : policy_(policy) {}

  /// Waits start over. For a failure whose like is limited elsewhere.
  void forget() { delay_ = {}; }
  /// The delay after a failure at `now` of something that had run since `started`.
  [[nodiscard]] std::chrono::milliseconds next_delay(std::chrono::steady_clock::time_point started,
                                                     std::chrono::steady_clock::time_point now);

 private:
  RestartPolicy policy_;
  std::chrono::milliseconds delay_{0};
};

}  // namespace epic::cluster
