#pragma once
// Reminders: calls that entities make to themselves at a time (epic::remind), from the store to the inbox.
//
//   remind, forget ─▶ sealed with the entity's state ─┐
//                     store ─▶ read: the next few ────┴▶ known ─▶ due ─▶ an occurrence in the inbox ─▶ first turn
//                                                          ▲                                              │
//                                                          └──────────── advanced, in the turn's batch ◀──┘
//
// A reminder is a row with a due time. Of each shard its owner has the next few in memory, and reads more as those are
// used up; so it costs nothing how many there are. What is due becomes an occurrence: a message that is in no row yet.
// When its method's first turn begins, the reminder is advanced and the message written, in the batch of that turn. So
// each due time takes effect exactly once, and what becomes of the method afterwards is the business of mail.
//
// Invariants: of a shard, everything up to `known_up_to` is in memory as it was last sealed, but for what is in
// `late_`,
//             which is read once it is durable. An occurrence begins only if its reminder is as it was when it became
//             due, also counting what is not sealed yet: so an advance always finds the row that it expects.
//             What a reading returns counts only if the row has not changed since before that began.
// Clock:      due times are wall clock. Advancing goes by the schedule, so a clock that is set back repeats nothing;
// the
//             due times that it jumps over become one call, which knows their number.
// Not here:   how an occurrence runs (inbox.hpp), the rows (storage/).

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "epic/reminders.hpp"
#include "kernel/admission.hpp"
#include "kernel/batch.hpp"
#include "kernel/codec.hpp"
#include "kernel/mail/outbox.hpp"
#include "kernel/routing/routing.hpp"
#include "kernel/saving/saving.hpp"
#include "kernel/scheduler.hpp"
#include "kernel/syscalls.hpp"

namespace epic::kernel {

/// The next due time of a reminder that is called for its due time now, at the wall clock's `now_ns`.
struct NextDue {
  std::optional<std::int64_t> due_ns;  // later than now; empty: it has ended
  std::uint64_t missed = 0;            // due times in between
};
[[nodiscard]] NextDue next_due(std::int64_t due_ns, std::int64_t every_ns, std::int64_t now_ns);
/// The first due time of a reminder that is set now.
[[nodiscard]] std::int64_t first_due(std::int64_t first_ns, std::int64_t every_ns, std::int64_t now_ns);

class Reminders {
 public:
  struct Uses {
    std::uint32_t shard_count;
    bool has_shared_store;
    const Codec& codec;
    const Admission& admission;
    Scheduler& scheduler;
    Routing& routing;
    Saving& saving;
    Outbox& outbox;
    Syscalls& syscalls;
  };
  /// A due time that is to take effect.
  struct Occurrence {
    ReminderName name;
    ShardId shard;
    std::uint64_t number = 0;  // of this node's
  };
  struct Due {
    Occurrence occurrence;
    Reminder reminder;
    std::string schema_text;  // empty: its arguments are as this module writes them
  };
  struct Begun {
    AdvanceReminder advance;
    std::uint64_t missed = 0;
  };

  explicit Reminders(const Uses& uses);

  // ---- by the execution that runs just now; throw what epic::remind() and epic::forget() do
  void remind(std::string_view name, const detail::ReminderTime& first, std::int64_t every_ns,
              const detail::MethodPointer& pointer, const void* arguments);
  void forget(std::string_view name);

  // ---- what there is ----
  /// This node's tenure of the shard begins.
  void on_shard(ShardId shard);
  /// Tenures that have ended are forgotten: the next owner reads for itself.
  void on_map();
  /// Answers Syscalls::load_reminders.
  void on_loaded(const ShardEpoch& tenure, std::expected<ReminderPage, std::string> page);
  /// These changes are in the batch that was just sealed.
  void on_sealed(CommitNumber number, const std::vector<Operation>& changes);
  void on_durable(CommitNumber number);
  /// False: the entity has none in the store.
  [[nodiscard]] bool may_have(const Activation& activation) const;

  // ---- what is due ----
  /// At most `most` that have become due. Each is the caller's until it has begun, is put back, or is out of date.
  [[nodiscard]] std::vector<Due> take_due(std::size_t most);
  /// False: the reminder has been changed, and this due time must not take effect any more.
  [[nodiscard]] bool is_current(const Occurrence& occurrence) const;
  /// The first turn of a reminder's method begins now. Empty: it must not run.
  [[nodiscard]] std::optional<Begun> begin(const Occurrence& occurrence, const Activation& activation);

  /// This module cannot call its method. It stays due, and makes room for others until all are read again.
  void set_aside(const Occurrence& occurrence);

  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;
  [[nodiscard]] std::size_t known_count() const { return entries_.size(); }

 private:
  struct Entry {
    Reminder row;  // as it was last sealed, or read
    std::int64_t look_at_ns = 0;
    std::uint64_t taken_as = 0;  // the number of its occurrence; 0: none
  };
  using Entries = std::map<ReminderName, Entry>;
  /// The reminders of a shard that are known in this tenure.
  struct Box {
    Epoch epoch;
    std::optional<ReminderPlace> known_up_to = ReminderPlace{};  // empty: all
    std::set<ReminderPlace> places = {};                         // of those in memory
    std::size_t late_count = 0;                                  // of `late_`
    bool has_aside = false;                                      // in the store, due, and not in memory
    bool has_damaged = false;                                    // in the store there are rows that cannot be read
    bool is_reading = false;
    CommitNumber read_at = {};                          // what was durable when the reading began
    std::optional<ReminderPlace> back_to = {};          // and what has come too late for it
    std::map<ReminderName, CommitNumber> changed = {};  // names whose rows a reading may return as they were
  };

  [[nodiscard]] Activation& entity_here(std::string_view function) const;
  static void check_room(const Activation& activation, std::string_view name);
  [[nodiscard]] Box* find_box(ShardId shard);
  void add_late(Box& box, CommitNumber number, ShardId shard, const ReminderPlace& place);
  void read(ShardId shard, Box& box);
  void refill(ShardId shard, Box& box);
  /// True if the store has no reminders that are not in memory.
  [[nodiscard]] static bool is_all_known(const Box& box);
  static void move_back(Box& box, const ReminderPlace& place);
  void put(Box& box, const Reminder& row);
  Entries::iterator remove(Box& box, Entries::iterator entry);
  void set_due(Box& box, Entries::iterator entry, std::int64_t due_ns);
  void look_at(Entries::iterator entry, std::int64_t look_at_ns);
  void trim(ShardId shard, Box& box);
  void unload(ShardId shard, Box& box, Entries::iterator entry);
  void prune(Box& box);
  void drop(ShardId shard);
  void note(Box& box, ShardId shard, const ReminderName& name, CommitNumber number);
  void on_sealed(Box& box, CommitNumber number, const SetReminder& set);
  void on_sealed(Box& box, CommitNumber number, const ForgetReminder& forget);
  void on_sealed(Box& box, CommitNumber number, const AdvanceReminder& advance);

  Uses uses_;
  std::size_t known_max_;  // of each shard
  std::map<ShardId, Box> boxes_;
  Entries entries_;
  std::set<std::pair<std::int64_t, ReminderName>> due_;  // when those are looked at that are nobody's; wall clock
  std::multimap<CommitNumber, std::pair<ShardId, ReminderPlace>> late_;  // sealed, and not in memory
  std::set<ShardId> changed_;                                            // with `Box::changed`
  std::multimap<std::int64_t, ShardId> failed_;                          // readings that are tried again
  std::multimap<std::int64_t, ShardId> aside_;                           // with `Box::has_aside`, by when that ends
  std::map<SchemaId, std::string> schema_texts_;
  std::uint64_t next_number_ = 1;
};

}  // namespace epic::kernel
