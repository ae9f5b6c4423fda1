#pragma once
// Answers: calls of outside callers with an idempotency key, each of which takes effect once however often it is sent.
//
//   arrives ─▶ known? ─ no ─▶ look ─▶ not stored ─▶ one call runs: `begun` with its first turn, its end with its last
//                │              │                                │
//                ▼              ▼                                ▼
//              joins it      stored: replayed         every call that waits gets that end
//
// A call with a key never runs itself. It waits here, and the first one brings about the call that runs for the key,
// which has no deadline and no caller that could stop waiting. `begun` is stored in the commit of its first turn, and
// how it ended in that of its last. What is found `begun` without being run here was cut short: Interrupted.
//
// Invariant: a key runs in one tenure at a time and only if the store, read in that tenure, has no answer. What has
// been
//            begun is known here until its end is durable, so no reading can miss it.
// Cost:      a call without a key never comes here; the first call with one costs a reading by an index.
// Not here:  the rows (storage/), what a method does (calls/), where a call goes (routing/).

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernel/calls/calls.hpp"
#include "kernel/codec.hpp"
#include "kernel/routing/routing.hpp"
#include "kernel/saving/saving.hpp"
#include "kernel/scheduler.hpp"
#include "kernel/syscalls.hpp"
#include "kernel/type_table.hpp"
#include "reflect/schema.hpp"

namespace epic::kernel {

class Answers {
 public:
  class Listener {
   public:
    /// The call's shard has left, or is about to: the call is routed anew.
    virtual void route_again(RecordRef call) = 0;

   protected:
    ~Listener() = default;
  };
  struct Uses {
    bool has_shared_store;
    const Codec& codec;
    Scheduler& scheduler;
    TypeTable& types;
    const CallWords& words;
    Routing& routing;
    Saving& saving;
    Calls& calls;
    Syscalls& syscalls;
  };
  struct Counts {
    std::uint64_t begun = 0;     // calls that ran
    std::uint64_t repeated = 0;  // that got the answer of another, or joined it
  };

  Answers(const Uses& uses, Listener& listener) : uses_(uses), listener_(listener) {}

  /// An open call with a key to an entity of this node's active shard.
  void enter(RecordRef call, const TypeEntry& type, ShardId shard);
  /// Answers Syscalls::load_answer.
  void on_loaded(const ShardEpoch& tenure, const AnswerId& id, AnswerLoad load);
  /// Answers Syscalls::load_oldest_answer.
  void on_oldest(const ShardEpoch& tenure, std::expected<std::optional<std::int64_t>, std::string> begun_at_ns);

  // ---- of the call that runs ----
  /// The first turn of a call with a key begins now, unless it must not: then the call fails.
  void on_begin(Record& call);
  /// A call with a key has ended, or never began.
  void on_end(Record& call);
  void on_undone(const AnswerId& id, UndoneAnswer what);
  void on_durable(CommitNumber number);

  /// Tenures that have ended are forgotten.
  void on_map();
  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  enum class State : std::uint8_t {
    reading,
    under_way,  // its call has not begun
    begun,
    ended,        // until that is durable
    interrupted,  // until `begun` is durable
  };
  /// What was called, in a form that repeats are compared with.
  struct Request {
    std::string method;
    SchemaId schema;
    std::uint64_t hash = 0;
    std::vector<std::byte> arguments = {};
  };
  struct Waiting {
    RecordRef call;
    Request request;
  };
  struct Entry {
    Epoch epoch;
    State state = State::reading;
    Answer answer = {};
    std::vector<Waiting> waiting = {};
    Record* call = nullptr;    // under way or begun
    bool is_stored = false;    // or will be, as `begun` at least
    CommitNumber put_in{0};    // the commit of its first turn
    CommitNumber known_to{0};  // ended, interrupted: forgotten when that is durable
  };
  using Entries = std::map<AnswerId, Entry>;
  struct Schemas {
    reflect::Schema arguments;
    std::optional<reflect::Schema> result;  // none: void
    bool is_result_saved = false;
  };

  [[nodiscard]] std::string refusal_of(const TypeEntry& type) const;
  [[nodiscard]] Schemas& schemas_of(const reflect::MethodInfo& method);
  [[nodiscard]] Request request_of(Record& call);
  /// False: the key stands for another call, and this one has got the error.
  bool fits(Record& call, const Request& request, const Answer& answer);
  [[nodiscard]] Entries::iterator find(const Record& call);
  void join(RecordRef call, Request request, Entry& entry);
  void begin(Entries::iterator at);
  void give(Record& call, const AnswerEnd& end, const reflect::Schema* schema);
  void finish(Entries::iterator at, Record& call, Activation& activation);
  [[nodiscard]] AnswerEnd end_of(Record& call);
  [[nodiscard]] AnswerEnd kept_of(const AnswerEnd& end, const Record& call) const;
  void keep_until(Entries::iterator at, State state, CommitNumber number);
  void interrupt(Record& call, CommitNumber put_in, const std::string& why);
  void fail_all(std::vector<Waiting> waiting, const std::exception_ptr& failure);
  void route_all(std::vector<Waiting> waiting);
  [[nodiscard]] bool is_current(ShardId shard, Epoch epoch) const { return uses_.routing.epoch_of(shard) == epoch; }

  Uses uses_;
  Listener& listener_;
  Counts counts_;
  Entries entries_;
  std::multimap<CommitNumber, AnswerId> kept_;  // ended and interrupted ones, by the commit
  std::map<const reflect::MethodInfo*, Schemas> schemas_;

  // ---- answers that are too old ----
  std::map<ShardId, Epoch> watched_;                  // shards that have had calls with keys in this tenure
  std::set<std::pair<std::int64_t, ShardId>> looks_;  // at the oldest answer, by time
  std::multimap<CommitNumber, ShardId> swept_;        // looked at again when that is durable
};

}  // namespace epic::kernel
