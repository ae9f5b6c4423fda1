#pragma once
// StorageThread: the store's blocking work, beside the execution thread.
//
// What a tick asks for is handed over at once (flush: one wake-up), and answers come back in a list for the next tick,
// again with one wake-up for all that have gathered. Loads that queue up together are read together. Batches that come
// while the store waits for its turn to write, beside the other processes, go into one transaction. A commit or a take
// that meets a full disk is tried again, 50 ms to 500 ms apart, until it goes; loads go on meanwhile.
//
// Invariant: batches are committed in order, and none is tried again after its outcome is unknown: that is `Fatal`.
// Not here:  what the answers mean (driver.cpp), SQL (storage/).

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "kernel/batch.hpp"
#include "kernel/syscalls.hpp"
#include "storage/store.hpp"

namespace epic::io {

class StorageThread {
 public:
  struct Loaded {
    kernel::ActivationId activation;
    kernel::LoadResult result;
  };
  struct Committed {
    kernel::CommitNumber number;
  };
  /// The store cannot write just now; it is being tried again.
  struct Blocked {
    std::string reason;
  };
  /// What was blocked has gone through.
  struct Unblocked {};
  struct Taken {
    std::uint64_t job;
    std::vector<kernel::ShardEpoch> epochs;
  };
  /// Another has our shards, or nobody knows what is on the disk: the process must end.
  struct Fatal {
    std::string reason;
  };
  /// What a read has left to do on the execution thread.
  using Continuation = std::function<void()>;
  using Event = std::variant<Loaded, Committed, Blocked, Unblocked, Taken, Fatal, Continuation>;
  using Read = std::function<Continuation(storage::Store&)>;

  /// `wake` is called on the storage thread when events() has something new.
  StorageThread(std::unique_ptr<storage::Store> store, std::function<void()> wake);
  /// Ends what is being done, and nothing more.
  ~StorageThread();

  // ---- execution thread; done after the next flush()
  void load(kernel::ActivationId activation, std::string_view type, std::string_view key);
  void commit(kernel::Batch batch);
  /// Returns the number that its Taken will carry.
  std::uint64_t take(std::vector<kernel::ShardId> shards, kernel::NodeId node, kernel::Incarnation incarnation);
  /// Runs `read` on the storage thread, and what it returns on the execution thread.
  void read(Read read);
  void flush();
  /// The store has taken the batches that had come and writes them; what is flushed from here on waits.
  [[nodiscard]] bool is_writing() const { return is_writing_.load(std::memory_order_relaxed); }
  /// What has happened since the last time.
  [[nodiscard]] std::vector<Event> events();

 private:
  struct LoadJob {
    kernel::ActivationId activation;
    std::string type;
    std::string key;
  };
  struct TakeJob {
    std::uint64_t number;
    std::vector<kernel::ShardId> shards;
    kernel::NodeId node;
    kernel::Incarnation incarnation;
  };
  using Job = std::variant<LoadJob, TakeJob, Read>;

  void run();
  /// False: to be tried again later.
  bool carry_out(Job& job);
  bool carry_out_batches();
  [[nodiscard]] const kernel::Batch& next_batch();
  bool carry_out_write(const std::expected<void, storage::StoreError>& done);
  [[nodiscard]] kernel::LoadResult load(const LoadJob& job);
  void maintain();
  void tell(Event event);
  void publish();

  std::unique_ptr<storage::Store> store_;
  std::function<void()> wake_;
  std::vector<Job> asked_;  // execution thread: of this tick
  std::vector<kernel::Batch> asked_batches_;
  std::uint64_t last_take_ = 0;  // execution thread

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::deque<kernel::Batch> batches_;
  std::vector<Event> events_;
  bool is_ending_ = false;

  // storage thread
  std::vector<Event> told_;
  std::deque<Job> blocked_;
  std::optional<kernel::Batch> batch_;  // taken from batches_, not committed yet
  std::atomic<bool> is_writing_{false};
  bool is_blocked_told_ = false;
  std::chrono::milliseconds retry_delay_{0};
  std::map<kernel::SchemaId, std::string> schemas_;
  bool has_new_commits_ = false;  // since the last maintain()
  bool is_fatal_ = false;         // nothing more is tried

  std::thread thread_;
};

}  // namespace epic::io
