#pragma once
// Saving: makes the changes of turns durable, and holds back whatever has seen a change until then.
//
//   mark_dirty ─▶ seal: encode every changed entity once ─▶ commit ─▶ on_committed
//   hold ────────▶ settle: known to need this batch, or no batch ───▶ release
//
// Changes gather in the forming batch. An item that is to leave the node meanwhile, and depends on that batch, is
// provisional. Sealing the batch settles it: if its entity's bytes are the same as before, the item needs no commit; if
// the state is too large, or the instance was discarded, the change is refused, with everything that depends on it. The
// other items wait at the gate for their commit.
//
// Invariant: nothing is released before what it has observed is durable.
// Not here:  how items are released (the listener), the store (Syscalls), whether a turn may change its entity
// (calls/).

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "epic/state.hpp"
#include "kernel/activations/activation_table.hpp"
#include "kernel/admission.hpp"
#include "kernel/batch.hpp"
#include "kernel/calls/call_words.hpp"
#include "kernel/calls/parked_frames.hpp"
#include "kernel/codec.hpp"
#include "kernel/events/events.hpp"
#include "kernel/routing/routing.hpp"
#include "kernel/saving/batcher.hpp"
#include "kernel/saving/gate.hpp"
#include "kernel/saving/observations.hpp"
#include "kernel/scheduler.hpp"
#include "kernel/syscalls.hpp"
#include "kernel/type_table.hpp"

namespace epic::detail {
class FileWork;
}

namespace epic::kernel {

/// Counts bytes in `total` for as long as they are held.
class HeldBytes {
 public:
  HeldBytes() = default;
  HeldBytes(std::size_t& total, std::size_t bytes) : total_(&total), bytes_(bytes) { total += bytes; }
  HeldBytes(HeldBytes&& other) noexcept : total_(std::exchange(other.total_, nullptr)), bytes_(other.bytes_) {}
  HeldBytes& operator=(HeldBytes&& other) noexcept {
    std::swap(total_, other.total_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~HeldBytes() {
    if (total_ != nullptr) *total_ -= bytes_;
  }

 private:
  std::size_t* total_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Something that may leave the node once what it has seen is durable. It is all that is kept of an answered call.
struct Outgoing {
  enum class Kind : std::uint8_t {
    call,   // made by an entity here: to be routed
    reply,  // to the node or client that the call came from
    end,    // of a call by an outside caller in this process
    write,  // to an open file
  };
  Kind kind;
  RecordRef record = {};                         // of a call or an end
  PeerAddress to = {};                           // of a reply
  ReplyMessage reply = {};                       // … already encoded
  bool is_broadcast = false;                     // … to a call of a broadcast, which has no result
  std::shared_ptr<detail::FileWork> write = {};  // shared with the line that it stands in
  std::int64_t given_up_ns = INT64_MAX;          // a reply or an end that has not left by then leaves as an error
  HeldBytes held = {};                           // Saving's
};

/// Who gets the error for a change that is undone.
enum class Reported : std::uint8_t {
  to_nobody,  // it was acknowledged, or no call made it
  to_callers,
};

/// How much of an answer is not stored.
enum class UndoneAnswer : std::uint8_t {
  all,  // no row was written
  end,  // it stays `begun`
};

class Saving {
 public:
  class Listener {
   public:
    /// What the item has seen is durable: it may leave.
    virtual void release(Outgoing item) = 0;
    /// What the item has seen cannot be saved, or not in time: its receiver gets the error instead.
    virtual void release_with_error(Outgoing item, ErrorCode code, const std::string& message) = 0;
    /// The entity's last change cannot be saved: its instance must not be kept.
    virtual void discard(Activation& activation, ErrorCode code, const std::string& why, Reported reported) = 0;
    /// A change in batch `number` is refused, so executions that have observed that batch fail. Executions of the
    /// entities in `own` (sorted) have observed only their own changes; those for which `knows` is true find out by
    /// themselves.
    virtual void fail_observers(CommitNumber number, std::span<const ActivationId> own, ErrorCode code,
                                const std::string& why, const std::function<bool(const Record&)>& knows) = 0;
    /// The entity's state differs from the last one saved, so its memory is to be measured anew.
    virtual void measure(Activation& activation) = 0;
    /// These messages are in the batch that was just sealed.
    virtual void on_mail_sealed(CommitNumber number, std::vector<Mail> sent) = 0;
    /// What the message's method has changed can never be saved: the message becomes a dead letter in this batch.
    virtual void on_mail_refused(const MailId& id, const std::string& why) = 0;
    /// The turns that received these messages are undone.
    virtual void on_mail_undone(const std::vector<MailId>& ids) = 0;
    /// This part of the answer is not stored, because the turns that it is about are undone or refused.
    virtual void on_answer_undone(const AnswerId& id, UndoneAnswer what) = 0;
    /// These changes of reminders are in the batch that was just sealed.
    virtual void on_reminders_sealed(CommitNumber number, const std::vector<Operation>& changes) = 0;
    /// False: the entity has no reminders in the store.
    [[nodiscard]] virtual bool may_have_reminders(const Activation& activation) = 0;
    /// A commit is durable, and what waited for it has been released.
    virtual void on_durable() = 0;

   protected:
    ~Listener() = default;
  };
  struct Uses {
    Incarnation self;
    const Codec& codec;
    const Admission& admission;
    Scheduler& scheduler;
    const ActivationTable& table;
    TypeTable& types;
    const CallWords& words;
    Routing& routing;
    Events& events;
    ParkedFrames& parked;
    Syscalls& syscalls;
  };
  struct Counts {
    std::uint64_t batches = 0;  // closed; several may go into one commit
    std::uint64_t commits = 0;
    std::uint64_t rows = 0;
  };

  Saving(const Uses& uses, Listener& listener) : uses_(uses), listener_(listener) {}

  // ---- changes ----
  /// A turn has changed the entity for the first time since its last save. Changes by on_activate do not count until it
  /// has returned.
  void mark_dirty(Activation& activation);
  /// Puts the entity into the forming batch, even if its class saves at intervals.
  void save_now(Activation& activation);
  /// The entity's unsaved change is gone with its instance: what depends on it fails with this error at the next seal.
  void discard_change(Activation& activation, ErrorCode code, const std::string& why);
  /// Carries out epic::erase() in the current execution.
  void erase();
  /// The turn that called erase() is over: later changes are saved again.
  void note_erased(Activation& activation);
  /// The hash of the encoded state; a state that cannot be encoded counts as empty.
  [[nodiscard]] Hash128 hash_of(const Activation& activation) const;
  /// Closes the forming batch if it is not empty, unless the store is writing.
  void seal();

  // ---- mail, reminders and answers ----
  /// Adds an operation to the forming batch. It is written with the entity's state, even if that has not changed, and
  /// not written if the state is refused. One that on_activate adds does not count until it has returned.
  void add(Activation& activation, Operation operation);
  /// Adds an operation that goes with no entity's state to the forming batch, unless its shard has left by then.
  void add(Operation operation) { loose_.push_back(std::move(operation)); }
  /// True if such an operation of the shard is not durable yet: the shard must stay.
  [[nodiscard]] bool has_loose(ShardId shard) const;
  /// The shards whose operations of this kind have become durable since the last call.
  [[nodiscard]] std::vector<ShardId> take_settled() { return std::exchange(settled_, {}); }
  /// Adds a schema that the next operations need.
  void add_schema(SchemaText schema) { loose_schemas_.push_back(std::move(schema)); }
  /// Replaces the operation that was added for a message and is in no batch yet. False if there is none.
  [[nodiscard]] static bool replace(Activation& activation, const MailId& id, Operation& operation);
  /// The answer that goes with the entity's next save and is in no batch yet; null if there is none.
  [[nodiscard]] static Answer* find_answer(Activation& activation, const AnswerId& id);
  [[nodiscard]] static bool has_mail(const Activation& activation) {
    return activation.rare != nullptr && !activation.rare->mail.empty();
  }
  /// The number that the forming batch will have.
  [[nodiscard]] CommitNumber forming() const { return batcher_.forming(); }

  // ---- waiting ----
  /// Releases `item`, which `origin` has brought about, once everything that `origin` has observed is durable.
  void hold(const Record& origin, Outgoing item);
  /// Takes back the held calls for which `is_meant` is true, in order.
  [[nodiscard]] std::vector<RecordRef> take_calls(const std::function<bool(const Record&)>& is_meant);
  struct Awaited {
    CommitNumber commit;
    bool has_seen_others;  // changes of other entities are in that batch
  };
  /// The commit that epic::saved() waits for in the current execution: that of its changes and all that it has
  /// observed.
  [[nodiscard]] Awaited await_saved();
  /// The commit that a call of the current execution to another node would wait for.
  [[nodiscard]] Awaited await_seen() const;
  /// What an item of the current execution would be held for now. Items with equal ones may be held as one.
  struct Seen {
    ActivationId origin;
    CommitNumber needs;
    CommitNumber others;  // if the origin's own change turns out to be none
    bool operator==(const Seen&) const = default;
  };
  [[nodiscard]] Seen seen() const;
  [[nodiscard]] bool is_durable(CommitNumber number) const { return gate_.is_open(number); }
  [[nodiscard]] bool is_unsaved(const Activation& activation) const {
    return activation.is_dirty || !is_durable(activation.saved_in);
  }

  // ---- events ----
  /// Every batch up to `number` is durable.
  void on_committed(CommitNumber number);
  /// The store has taken everything sent so far, and is writing it.
  void on_store_writing(bool is_writing) { batcher_.on_store_writing(is_writing); }
  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;

  [[nodiscard]] const Observations& observations() const { return observations_; }
  /// The newest durable commit.
  [[nodiscard]] CommitNumber durable() const { return gate_.durable(); }
  /// Nothing is dirty or being written.
  [[nodiscard]] bool is_done() const { return !batcher_.has_dirty() && loose_.empty() && !batcher_.is_committing(); }
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] std::size_t held_count() const { return gate_.held_count() + provisional_.size(); }

 private:
  /// An item that depends on the forming batch; settled when that is sealed.
  struct Provisional {
    ActivationId origin;     // whose own unsaved change it depends on; generation 0: others' changes
    CommitNumber otherwise;  // the commit that the item needs if the origin's bytes turn out unchanged
    Outgoing item;
  };
  enum class Sealed : std::uint8_t { changed, unchanged, too_large };
  /// Why a change is not saved, and never will be.
  struct Refusal {
    ErrorCode code;
    std::string why;
  };
  using Refused = std::map<ActivationId, Refusal>;

  Sealed encode_into(Batch& batch, Activation& activation);
  [[nodiscard]] bool add_mail(Batch& batch, Activation& activation, const std::string& refused);
  bool undo_answer(const Operation& operation);
  void add_loose(Batch& batch);
  void forget_reminders(Batch& batch, Activation& activation);
  static void drop_settings(Activation& activation);
  void add_operation(Batch& batch, Activation& activation, std::optional<std::vector<std::byte>> state);
  /// Returns the refused changes of which a caller gets the error.
  std::set<ActivationId> settle(CommitNumber number, const std::set<ActivationId>& unchanged, const Refused& refused);
  [[nodiscard]] std::vector<detail::SavedAwaiter*> list_waiting(CommitNumber number) const;
  void fail_waiting(CommitNumber number, const Refusal& refusal);
  void release_if_durable(CommitNumber needs, Outgoing item);
  void bound(const Record& origin, Outgoing& item);
  void become_durable(CommitNumber number);
  void expire_held();
  template <class Predicate>
  [[nodiscard]] std::vector<Outgoing> take_if(Predicate&& is_meant);

  Uses uses_;
  Listener& listener_;
  Batcher batcher_;
  Observations observations_{batcher_};
  std::size_t held_bytes_ = 0;  // of results in gate_ and provisional_
  Gate<Outgoing> gate_;
  std::vector<Provisional> provisional_;
  Refused refused_;               // changes of the forming batch that will not be saved
  std::vector<Operation> loose_;  // operations that go with no state, for the forming batch
  std::vector<SchemaText> loose_schemas_;
  std::multimap<CommitNumber, ShardId> loose_sent_;  // the commits that have such operations, and their shards
  std::vector<ShardId> settled_;
  std::vector<Mail> sent_;                                    // messages in the batch that is being sealed
  std::vector<Operation> reminded_;                           // changes of reminders in that batch
  std::multimap<std::int64_t, ActivationId> interval_saves_;  // dirty entities of interval classes, by due time
  std::int64_t next_held_check_ns_ = 0;                       // while the store is blocked
  Counts counts_;
};

}  // namespace epic::kernel
