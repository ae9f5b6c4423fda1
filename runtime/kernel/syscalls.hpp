#pragma once
// Syscalls: everything that the kernel asks of the world. A driver carries them out and answers with events.
//
// The kernel has no other way out: no clock, no thread, no file, no socket. runtime/io carries these out, for real or
// in the world of cluster/sim, with a virtual clock and one seed. A syscall never calls back into the kernel; its
// answer comes later as an on_… event, on the same thread.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/batch.hpp"
#include "kernel/messages.hpp"

namespace epic::detail {
class BlockingWork;
}

namespace epic::kernel {

/// Identifies one use of an activation slot; a later use of the slot has another generation.
struct ActivationId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  auto operator<=>(const ActivationId&) const = default;
};

enum class LogLevel : std::uint8_t { debug, info, warn, error };

class Syscalls {
 public:
  virtual ~Syscalls() = default;

  /// In order for each address. The peer's end, or a failure to reach it, is reported through on_peer_lost.
  virtual void send(const PeerAddress& to, Message message) = 0;
  /// May a call be sent there now? If not, because the peer has not read what was sent before, on_room follows once it
  /// may, or on_peer_lost.
  [[nodiscard]] virtual bool has_room(const PeerAddress& to) const = 0;
  /// Read an entity's snapshot; answered by on_loaded.
  virtual void load(ActivationId activation, std::string_view type, std::string_view key) = 0;
  /// Read the messages to a shard that come after the place `after`; answered by on_mail_loaded, with the same tenure.
  virtual void load_mail(const ShardEpoch& tenure, std::uint64_t after) = 0;
  /// Read the answer to a key; answered by on_answer_loaded, with the same tenure.
  virtual void load_answer(const ShardEpoch& tenure, const AnswerId& id) = 0;
  /// How old is the oldest answer of the shard? Answered by on_oldest_answer, with the same tenure.
  virtual void load_oldest_answer(const ShardEpoch& tenure) = 0;
  /// Read at most `limit` reminders of a shard that come after the place `after`; answered by on_reminders_loaded, with
  /// the same tenure. What is written when this is called is read.
  virtual void load_reminders(const ShardEpoch& tenure, const ReminderPlace& after, std::size_t limit) = 0;
  /// Make a batch durable; answered by on_committed. Several may wait for the store's turn; they are committed in
  /// order, as one transaction if possible (try_append), with on_store_writing when it starts and one answer for all.
  virtual void commit(Batch batch) = 0;
  /// Raise the epochs of shards that coordination has granted to this node; answered by on_taken.
  virtual void take(std::vector<ShardId> shards) = 0;
  /// A shard asked back by coordination is drained and saved.
  virtual void released(ShardId shard) = 0;
  /// Run it on another thread, unless it is abandoned by then; answered by on_blocking_ended, in any case.
  virtual void start_blocking(std::shared_ptr<detail::BlockingWork> work) = 0;
  /// One log line from an entity, or about one; `entity` may be empty.
  virtual void log(LogLevel level, std::string_view entity, std::string_view message) = 0;
};

}  // namespace epic::kernel
