#include "kernel/calls/wait_graph.hpp"

#include <algorithm>

namespace epic::kernel {

void WaitGraph::begin() {
  look_.begin(calls_);
  calls_in_it_.reserve(calls_.size());
  made_by_.reserve(calls_.size());
  by_id_.reserve(calls_.size());
}

bool WaitGraph::gather(std::size_t count) {
  return look_.go_on(count, [this](Record& record) {
    const bool is_named = is_waiting(record) || (record.site != nullptr && record.site->has_arrived());
    if (record.caller == nullptr && !is_named) return;
    const auto at = static_cast<std::uint32_t>(calls_in_it_.size());
    calls_in_it_.push_back({RecordRef::share(record)});
    if (const CallId id = words_.id_of(record); is_named) by_id_.emplace(id, at);
    if (record.caller == nullptr) return;
    const auto [made, is_first] = made_by_.try_emplace(record.caller, Made{at, at});
    if (!is_first) {
      calls_in_it_[made->second.last].next_of_caller = at;
      made->second.last = at;
    }
  });
}

bool WaitGraph::forget(std::size_t count) {
  made_by_ = {};
  by_id_ = {};
  calls_in_it_.resize(calls_in_it_.size() - std::min(count, calls_in_it_.size()));
  if (!calls_in_it_.empty()) return false;
  calls_in_it_ = {};
  return true;
}

}  // namespace epic::kernel
