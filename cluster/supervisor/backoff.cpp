#include "cluster/supervisor/backoff.hpp"

#include <algorithm>

namespace epic::cluster {

std::chrono::milliseconds Backoff::next_delay(std::chrono::steady_clock::time_point started,
                                              std::chrono::steady_clock::time_point now) {
  if (delay_.count() == 0 || now - started >= policy_.forget_after)
    delay_ = policy_.delay_first;
  else
    delay_ = std::min(delay_ * 2, policy_.delay_max);
  return delay_;
}

}  // namespace epic::cluster
