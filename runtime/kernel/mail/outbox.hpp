#pragma once
// Outbox: messages that entities send (epic::deliver), on their way into the batch of the turn that sends them.
//
// A message becomes an operation of its sender's next save (Saving::add): so it is stored exactly if the turn's change
// is, and a turn that is undone has sent nothing. From there on the receiver's node has it (inbox.hpp).

#include <cstdint>
#include <unordered_map>

#include "kernel/codec.hpp"
#include "kernel/placement.hpp"
#include "kernel/routing/routing.hpp"
#include "kernel/saving/saving.hpp"
#include "kernel/scheduler.hpp"
#include "kernel/type_table.hpp"

namespace epic::kernel {

class Outbox {
 public:
  struct Uses {
    const Placement& placement;
    bool has_shared_store;
    const Codec& codec;
    Scheduler& scheduler;
    TypeTable& types;
    const CallWords& words;
    Routing& routing;
    Saving& saving;
  };

  explicit Outbox(const Uses& uses) : uses_(uses) {}

  /// By the execution that runs just now. Throws what epic::deliver() does.
  void deliver(const Record& call);
  /// Unique among the messages of a shard's tenure.
  [[nodiscard]] MailId next_id(ShardId shard) {
    return {.shard = shard, .epoch = uses_.routing.epoch_of(shard), .number = next_number_++};
  }
  /// The schema of a method's arguments, which is stored with the next operations if the store may lack it.
  [[nodiscard]] SchemaId schema_of_arguments(const reflect::MethodInfo& method);

 private:
  Uses uses_;
  std::uint64_t next_number_ = 1;
  std::unordered_map<const reflect::MethodInfo*, SchemaId> schemas_;  // that a batch has carried, or will
};

}  // namespace epic::kernel
