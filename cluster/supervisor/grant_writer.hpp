#pragma once
// GrantWriter: writes what shard maps give into the store, beside the supervisor's thread.
//
// A map may be published only when the store names its owners: from then on their predecessors can write nothing, and
// nobody else can take their shards. So if the supervisor dies between writing and publishing, the next one finds what
// was written and goes on under a higher term. Writing may wait for nodes that commit, so it has a thread of its own;
// all the shards of one change are one transaction, which the first node to take its shards makes durable.
//
// A store that cannot be written just now is tried again until it can: nodes could not take the shards either.

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "kernel/messages.hpp"
#include "storage/grants.hpp"
#include "storage/open_store.hpp"

namespace epic::cluster {

/// One thread, that of `context`; all calls come back on it.
class GrantWriter {
 public:
  struct Events {
    std::function<void()> on_written;  // the map that was given last
    std::function<void(const storage::StoreIdentity&)> on_migrated;
    std::function<void(const std::string&)> on_delay;  // why; said once until it goes again
    std::function<void(const std::string&)>
        on_deposed;  // somebody else leads, or uses this store: nothing more is written
  };

  /// Without a location there is nothing to write: nodes keep their stores to themselves. `term`: at least.
  GrantWriter(boost::asio::io_context& context, storage::StoreConfig store, kernel::Term term, Events events);
  ~GrantWriter();

  /// One map at a time.
  void write(kernel::ShardMap map);

 private:
  void run();
  [[nodiscard]] std::optional<storage::StoreError> try_open();
  [[nodiscard]] std::optional<storage::StoreError> try_write(const kernel::ShardMap& map);
  void post(std::function<void()> event);

  boost::asio::io_context& context_;
  storage::StoreConfig config_;
  kernel::Term term_;
  Events events_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);  // with what is posted: false when this is gone

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<kernel::ShardMap> map_;
  bool is_ending_ = false;

  // the thread's
  std::unique_ptr<storage::Store> store_;
  storage::Granter granter_;
  bool is_delay_reported_ = false;
  std::thread thread_;
};

}  // namespace epic::cluster
