#pragma once
// Observations: the newest commit that a call or an entity depends on.
//
// Each activation carries the number of the newest commit that it has observed; while it is dirty, it depends on the
// batch that is forming. Calls and results pass the larger number on, so that whatever leaves the node knows which
// commit must be durable first. An execution without an activation carries the number in its record.

#include <algorithm>

#include "kernel/saving/batcher.hpp"
#include "kernel/scheduler.hpp"
#include "kernel/type_table.hpp"

namespace epic::kernel {

class Observations {
 public:
  explicit Observations(const Batcher& batcher) : batcher_(batcher) {}

  /// What a call that looks at this entity now depends on, its own unsaved change included.
  [[nodiscard]] CommitNumber effective(const Activation& activation) const {
    return activation.is_dirty && activation.type->is_gated ? batcher_.forming() : activation.observed;
  }
  [[nodiscard]] CommitNumber observed_by(const Record* record) const {
    if (record == nullptr) return CommitNumber{0};
    const Activation* activation = activation_of(record);
    return activation != nullptr ? effective(*activation) : CommitNumber{record->observed};
  }
  static void observe(Record* record, CommitNumber number) {
    if (record == nullptr) return;
    if (Activation* activation = activation_of(record))
      activation->observed = std::max(activation->observed, number);
    else
      record->observed = std::max(record->observed, number.value);
  }

 private:
  const Batcher& batcher_;
};

}  // namespace epic::kernel
