#pragma once
// StorageWork: the store's blocking work, to be done beside the execution thread by up to two others
// (storage_workers.hpp).
//
// The requests of a tick are handed over at once (flush: one wake-up), and answers come back in a list for the next
// tick, again with one wake-up for all of them. Loads that queue up are read together. Batches that arrive while the
// store waits for its turn to write, among the processes, go into one transaction. A commit or take that meets a full
// disk is retried, 50 ms to 500 ms apart, until it succeeds; loads continue meanwhile. So is everything while the
// store's files are not those that were opened, which is looked at twice a second, and what cannot be read because the
// database cannot be reached: then what was asked for after it waits as well, without a try of its own.
//
// One thread at a time holds the store. After writing a transaction it releases the store, waits for the disk, and
// confirms; meanwhile the other reads, or writes the next transaction:
//
//   one     │ write 1 │ sync 1            │ write 3 │ sync 3 …
//   other             │ write 2 │ sync 2            │ write 4 …
//
// Invariant: batches are written and confirmed in order, and none is retried after its outcome is unknown: that is
//            `Fatal`, after which nothing is confirmed.
// Not here:  threads; what the answers mean (engine.cpp); SQL (storage/).

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "io/clock.hpp"
#include "kernel/batch.hpp"
#include "kernel/syscalls.hpp"
#include "storage/store.hpp"

namespace epic::io {

class StorageWork {
 public:
  struct Loaded {
    kernel::ActivationId activation;
    kernel::LoadResult result;
  };
  struct MailLoaded {
    kernel::ShardEpoch tenure;
    std::expected<kernel::MailPage, std::string> page;
  };
  struct AnswerLoaded {
    kernel::ShardEpoch tenure;
    kernel::AnswerId id;
    kernel::AnswerLoad found;
  };
  struct OldestAnswer {
    kernel::ShardEpoch tenure;
    std::expected<std::optional<std::int64_t>, std::string> begun_at_ns;
  };
  struct RemindersLoaded {
    kernel::ShardEpoch tenure;
    std::expected<kernel::ReminderPage, std::string> page;
  };
  struct Committed {
    kernel::CommitNumber number;
  };
  /// The store cannot write at the moment; it is being retried.
  struct Blocked {
    std::string reason;
  };
  /// What was blocked has succeeded.
  struct Unblocked {};
  struct Taken {
    std::uint64_t job;
    std::vector<kernel::ShardEpoch> epochs;
  };
  /// Another node has our shards, or the content of the disk is unknown: the process must end.
  struct Fatal {
    std::string reason;
    storage::StoreErrorCode code;
  };
  /// The part of a read that runs on the execution thread.
  using Continuation = std::function<void()>;
  using Event = std::variant<Loaded, MailLoaded, AnswerLoaded, OldestAnswer, RemindersLoaded, Committed, Blocked,
                             Unblocked, Taken, Fatal, Continuation>;
  using Read = std::function<Continuation(storage::Store&)>;

  using TimePoint = std::chrono::steady_clock::time_point;

  /// At most this many threads work.
  static constexpr int kWorkersMax = 2;

  /// `wake` is called on a working thread when events() has something new. `clock` outlives this.
  StorageWork(std::unique_ptr<storage::Store> store, const Clock& clock, std::function<void()> wake);
  StorageWork(const StorageWork&) = delete;
  StorageWork& operator=(const StorageWork&) = delete;

  // ---- execution thread; done after the next flush()
  void load(kernel::ActivationId activation, std::string_view type, std::string_view key);
  void load_mail(const kernel::ShardEpoch& tenure, std::uint64_t after);
  void load_answer(const kernel::ShardEpoch& tenure, const kernel::AnswerId& id);
  void load_oldest_answer(const kernel::ShardEpoch& tenure);
  void load_reminders(const kernel::ShardEpoch& tenure, const kernel::ReminderPlace& after, std::size_t limit);
  void commit(kernel::Batch batch);
  /// Returns the number that its Taken will carry.
  std::uint64_t take(std::vector<kernel::ShardId> shards, kernel::NodeId node, kernel::Incarnation incarnation);
  /// Runs `read` on one of the threads, and what it returns on the execution thread.
  void read(Read read);
  /// The same, and before anything is written that is handed over with it or later.
  void read_at_cut(Read read);
  void flush();
  /// The store has taken all batches so far, and neither thread could write another one now: flushed batches wait.
  [[nodiscard]] bool is_writing() const { return is_writing_.load(std::memory_order_relaxed); }
  /// The events since the last call.
  [[nodiscard]] std::vector<Event> events();

  // ---- working threads
  /// When one of them has something to do. The maximum: not before more is handed over, or another gives the store
  /// back.
  [[nodiscard]] TimePoint next_due();
  /// Does all that is due. Returns what it has written: the same thread then makes it durable, while another may work.
  [[nodiscard]] std::optional<kernel::CommitNumber> work();
  /// Waits for the disk. Everything written before the call becomes durable: two confirmations may come in the wrong
  /// order, but both are true.
  void make_durable(kernel::CommitNumber number);

 protected:
  /// With the mutex held.
  [[nodiscard]] TimePoint next_due_locked() const;
  /// The same as work(), with the mutex held before and afterwards.
  [[nodiscard]] std::optional<kernel::CommitNumber> work_locked(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] TimePoint now() const { return TimePoint(std::chrono::nanoseconds(clock_.monotonic_ns())); }
  [[nodiscard]] bool is_over() const { return is_fatal_; }
  void close_store() { store_.reset(); }

  std::mutex mutex_;
  std::condition_variable changed_;  // there may be something to do

 private:
  struct LoadJob {
    kernel::ActivationId activation;
    std::string type;
    std::string key;
  };
  struct MailJob {
    kernel::ShardEpoch tenure;
    std::uint64_t after;
  };
  struct AnswerJob {
    kernel::ShardEpoch tenure;
    kernel::AnswerId id;
  };
  struct OldestAnswerJob {
    kernel::ShardEpoch tenure;
  };
  struct RemindersJob {
    kernel::ShardEpoch tenure;
    kernel::ReminderPlace after;
    std::size_t limit;
  };
  struct TakeJob {
    std::uint64_t number;
    std::vector<kernel::ShardId> shards;
    kernel::NodeId node;
    kernel::Incarnation incarnation;
  };
  using Job = std::variant<LoadJob, MailJob, AnswerJob, OldestAnswerJob, RemindersJob, TakeJob, Read>;

  void use_store(std::deque<Job> jobs);
  /// False: to be retried later.
  bool carry_out(Job& job);
  [[nodiscard]] bool has_batches();
  bool write_batches();
  bool look_at_files(TimePoint now);
  bool confirm(kernel::CommitNumber number);
  [[nodiscard]] const kernel::Batch& next_batch();
  bool carry_out_write(const std::expected<void, storage::StoreError>& done);
  void tell_blocked(const storage::StoreError& error);
  template <class Event, class Found, class... Names>
  bool tell_found(std::expected<Found, storage::StoreError> found, Names&&... names);
  [[nodiscard]] std::expected<kernel::LoadedState, storage::StoreError> load(const LoadJob& job);
  [[nodiscard]] std::vector<std::string> reminders_of(const LoadJob& job);
  [[nodiscard]] std::expected<kernel::MailPage, storage::StoreError> load(const MailJob& job);
  [[nodiscard]] std::expected<kernel::FoundAnswer, storage::StoreError> load(const AnswerJob& job);
  [[nodiscard]] std::expected<kernel::ReminderPage, storage::StoreError> load(const RemindersJob& job);
  [[nodiscard]] std::expected<std::string, storage::StoreError> schema_text(kernel::SchemaId id);
  [[nodiscard]] std::expected<std::string, storage::StoreError> find_schema_text(kernel::SchemaId id);
  void maintain();
  void tell(Event event);
  void publish();
  void end_with(const storage::StoreError& error);
  void note_writing();

  std::unique_ptr<storage::Store> store_;
  const Clock& clock_;
  std::function<void()> wake_;
  std::vector<Job> asked_;  // execution thread: of this tick
  std::vector<kernel::Batch> asked_batches_;
  kernel::CommitNumber handed_over_{0};  // execution thread: the newest batch
  bool is_cut_asked_ = false;            // execution thread: of this tick
  std::uint64_t last_take_ = 0;          // execution thread

  // with the mutex
  std::deque<Job> jobs_;
  std::deque<kernel::Batch> batches_;
  std::optional<kernel::CommitNumber> cut_;  // later batches wait for jobs_
  std::vector<Event> events_;
  std::atomic<bool> is_fatal_{false};  // nothing more is tried or confirmed; set with the mutex
  bool is_in_use_ = false;             // the store, held by one of the threads
  bool has_taken_batch_ = false;
  int syncing_count_ = 0;                            // threads
  std::optional<kernel::CommitNumber> unconfirmed_;  // written to files that were not those that were opened
  kernel::CommitNumber durable_{0};
  std::atomic<bool> is_writing_{false};

  // the thread that holds the store
  std::vector<Event> told_;
  std::deque<Job> blocked_;
  std::optional<kernel::Batch> batch_;           // taken from batches_, not written yet
  std::optional<kernel::CommitNumber> written_;  // and not durable yet; taken by the thread that syncs it
  bool is_blocked_told_ = false;
  std::chrono::milliseconds retry_delay_{0};
  TimePoint retry_at_;
  std::map<kernel::SchemaId, std::string> schemas_;
  bool has_new_commits_ = false;  // since the last maintain()
  bool must_maintain_ = false;
  TimePoint look_at_ = store_->has_files() ? now() : TimePoint::max();  // at its files
  TimePoint used_at_;                                                   // by the last job or batch
};

}  // namespace epic::io
