#pragma once
// Inbox: messages to entities of this node's shards, from the store to the first turns of their methods.
//
//   sealed here ───────────┐
//   hint ─▶ scan ─▶ loaded ┴▶ line ─▶ begin ─▶ first turn: `begun` ─▶ end: removed, or dead
//                               ▲        │
//                               └────────┘ not started (busy, refused): later, and later
//
// The store is the truth. What a node knows of messages to its shards it has read there, in the order in which they
// became visible, when it took the shard and whenever a sender's node hints that there is more. Hints may be lost, so
// each shard is also read now and then. A message that was sealed in a batch of this same node is handed over without
// reading; what the receiver does then depends on that batch.
//
// Invariants: only the shard's owner begins a message, and its change and the message's row go in one commit, under the
//             shard's epoch: so its first turn takes effect exactly once. A row is read once a tenure, and one that was
//             handed over is known by its id until no reading can return it any more.
// Order:      messages of one sender to one receiver stand in a line; the next begins after the first turn of the one
//             before. A message is handed over only if the receiver's shard has been read since the sender's came to
//             this node, and no earlier one of its line is still to be read: otherwise it could overtake that.
// Reminders:  what is due of one is a message that is in no row yet (reminders.hpp). It is written in the batch of its
//             first turn, unless that is its last, and then like any other.
// Not here:   sending (outbox.hpp), the rows (storage/), what a method does (calls/).

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernel/admission.hpp"
#include "kernel/calls/calls.hpp"
#include "kernel/codec.hpp"
#include "kernel/mail/outbox.hpp"
#include "kernel/mail/reminders.hpp"
#include "kernel/routing/routing.hpp"
#include "kernel/saving/saving.hpp"
#include "kernel/scheduler.hpp"
#include "kernel/syscalls.hpp"
#include "kernel/type_table.hpp"

namespace epic::kernel {

class Inbox {
 public:
  struct Uses {
    PeerAddress self;
    const Codec& codec;
    const Admission& admission;
    Scheduler& scheduler;
    TypeTable& types;
    Routing& routing;
    Saving& saving;
    Outbox& outbox;
    Reminders& reminders;
    Calls& calls;
    Syscalls& syscalls;
  };
  struct Counts {
    std::size_t known = 0;    // messages in memory
    std::uint64_t begun = 0;  // first turns
    std::uint64_t dead = 0;   // that became dead letters here
  };

  explicit Inbox(const Uses& uses) : uses_(uses) {}

  // ---- what there is ----
  /// This node's tenure of the shard begins.
  void on_shard(ShardId shard);
  /// Tenures that have ended are forgotten: the next owner reads for itself.
  void on_map();
  /// Sealed in the forming batch `number` of this node.
  void on_sealed(CommitNumber number, std::vector<Mail> sent);
  /// A node has made messages to these shards durable.
  void on_hint(const std::vector<ShardId>& shards);
  /// Answers Syscalls::load_mail.
  void on_loaded(const ShardEpoch& tenure, std::expected<MailPage, std::string> page);
  /// A node is gone, and perhaps hints of it.
  void on_peer_lost() { read_all(); }

  // ---- what becomes of it ----
  /// The method's first turn begins now, unless the call is failed.
  void on_begin(Record& call);
  /// The call of a message has ended, or never began.
  void on_end(Record& call);
  /// The change that these first turns made is undone with their instance: they are still to run.
  void on_undone(const std::vector<MailId>& ids);
  /// What the message changed is refused, and the message becomes a dead letter.
  void on_refused(const MailId& id, const std::string& why);
  void on_durable(CommitNumber number);

  // ---- dead letters ----
  enum class Settle : std::uint8_t {
    retry,  // becomes a new message
    drop,
  };
  /// Dead letters as they were read from the store: those to shards of this node, and not settled before. `on_end` runs
  /// when that is durable, with how many there were.
  void settle(const std::vector<Mail>& dead, Settle how, std::function<void(std::size_t)> on_end);

  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  /// Messages of one sender to one receiver.
  struct Line {
    std::map<std::uint64_t, MailId> waiting;  // by their order
    bool is_under_way = false;                // the first of them is a call that has not begun
    std::int64_t due_ns = 0;                  // not before
    std::int64_t delay_ns = 0;                // the last one; 0: none
  };
  using LineName = std::pair<std::string, std::string>;  // to, from
  enum class State : std::uint8_t { waiting, under_way, begun, ended };
  struct Entry {
    Mail mail;
    std::string schema_text;
    std::uint64_t order = 0;
    bool is_handed_over = false;                           // a reading may still return it
    std::optional<Reminders::Occurrence> occurrence = {};  // of a reminder: in no row before it begins
    State state = State::waiting;
    CommitNumber needs{0};              // what it depends on, if that is of this node
    CommitNumber begun_in{0};           // the commit of its first turn
    CommitNumber ended_in{0};           // `ended`: the commit that removes its row
    Record* call = nullptr;             // under way or begun
    std::int64_t unknown_since_ns = 0;  // that this module has no such method
  };
  using Tenures = std::map<ShardId, Epoch>;
  /// The mail of a shard, as far as it was read in this tenure.
  struct Box {
    Epoch epoch;
    std::uint64_t read_up_to = 0;  // place
    bool is_reading = false;
    bool must_read_again = false;
    bool has_more = false;                   // than fits into memory
    Tenures known_senders = {};              // shards of this node whose tenure began before the last reading did
    Tenures asked_senders = {};              // … before the one that is under way
    Tenures new_senders = {};                // … before the next one
    std::set<MailId> unread = {};            // sealed here, and neither handed over nor read
    std::map<LineName, int> unread_in = {};  // of them, by line
    std::vector<MailId> passed = {};         // removed, but a reading is under way that may return them
  };

  [[nodiscard]] Box* find_box(ShardId shard);
  [[nodiscard]] bool is_full() const;
  void read(ShardId shard, Box& box);
  void read_all();
  /// A node alone gets no hints, so it cannot miss any.
  [[nodiscard]] bool must_look() const { return !boxes_.empty() && uses_.routing.member_count() > 1; }
  [[nodiscard]] bool may_hand_over(const Box& box, const Mail& mail) const;
  void add(LoadedMail loaded, CommitNumber needs, bool is_handed_over);
  void add(Reminders::Due due);
  void erase(MailId id);
  void pump(const LineName& name);
  void pump_at(const LineName& name, std::int64_t due_ns);
  void begin(Entry& entry, Line& line);
  [[nodiscard]] std::expected<const reflect::Schema*, std::string> find_schema(const Entry& entry,
                                                                               const reflect::MethodInfo& method);
  void postpone(const Entry& entry);
  void give_up(Entry& entry, const std::string& why);
  void end(Entry& entry, Activation* activation, Operation operation);
  void log_death(const Entry& entry, const std::string& why);
  void bury(Entry& entry, Activation* activation, const std::string& why);
  void send_hints(const std::vector<ShardId>& shards);
  [[nodiscard]] static LineName line_of(const Mail& mail) { return {mail.to, mail.from}; }
  /// The occurrences of each reminder have a line to themselves.
  [[nodiscard]] static LineName line_of(const Entry& entry) {
    return entry.occurrence ? LineName{entry.mail.to, ' ' + entry.occurrence->name.name} : line_of(entry.mail);
  }

  Uses uses_;
  Counts counts_;
  std::map<ShardId, Box> boxes_;
  std::map<MailId, Entry> entries_;
  std::map<LineName, Line> lines_;
  std::set<std::pair<std::int64_t, LineName>> pumps_;  // lines that are looked at again, by time
  std::multimap<CommitNumber, MailId> ended_;          // by the commit that removes their rows
  std::multimap<CommitNumber, ShardId> to_read_;       // once that is durable: sealed here, and not handed over
  std::multimap<CommitNumber, std::function<void()>> settling_;  // what runs when that is durable
  std::set<MailId> settled_;                                     // lately: a reading may be older
  std::set<ShardId> hungry_;                                     // have more, which is read when there is room
  std::set<std::pair<std::string, std::string>> given_up_;       // classes and methods of reminders that stay due
  std::map<SchemaId, reflect::Schema> schemas_;                  // of arguments
  std::size_t bytes_ = 0;                                        // of arguments
  std::uint64_t next_order_ = 1;
  std::int64_t next_look_ns_ = 0;  // at all shards
};

}  // namespace epic::kernel
