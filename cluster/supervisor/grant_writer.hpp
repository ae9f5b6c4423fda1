#pragma once
// GrantWriter: writes what shard maps give into the store, beside the supervisor's thread.
//
// A map may be published only when the store names its owners: from then on their predecessors can write nothing, and
// nobody else can take their shards. So if the supervisor dies between writing and publishing, the next one finds what
// was written and goes on under a higher term. Writing may wait for nodes that commit, so it runs on the host's second
// thread; all the shards of one change are one transaction, which the first node to take its shards makes durable.
//
// A store that cannot be written just now is tried again until it can: nodes could not take the shards either. One that
// is damaged is given up at once.

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/supervisor/host.hpp"
#include "kernel/messages.hpp"
#include "storage/grants.hpp"
#include "storage/store.hpp"

namespace epic::cluster {

/// Single-threaded. It opens the store before it is needed. The store is closed when this is destroyed, or when the
/// work that is under way then has ended.
class GrantWriter {
 public:
  /// Called on the second thread.
  using OpenStore = std::function<std::expected<std::unique_ptr<storage::Store>, storage::StoreError>()>;

  struct Events {
    /// The map that was given last is. `orphans`: shards whose owners in an earlier run have died; the first time only.
    std::function<void(const std::vector<kernel::ShardId>& orphans)> on_written;
    std::function<void(const storage::StoreIdentity&)> on_migrated;
    std::function<void(const std::string&)> on_delay;  // why; said once until it goes again
    std::function<void(const std::string&)>
        on_deposed;  // somebody else leads, or uses this store: nothing more is written
    std::function<void(const std::string&)> on_damage;  // nobody can go on with the store: nothing more is written
  };

  /// As what it begins to write; it goes on as that, also with a store that was opened anew.
  struct Leadership {
    kernel::Term term;
    storage::Granter::TermRule rule = storage::Granter::TermRule::at_least;
    std::vector<kernel::Incarnation> alive = {};  // owners of an earlier term that go on
  };

  /// Without `open_store` there is nothing to write: nodes keep their stores to themselves.
  GrantWriter(Host& host, OpenStore open_store, Leadership leadership, Events events);

  /// One map at a time.
  void write(kernel::ShardMap map);
  /// All nodes have ended in order: the store names no owners any more, but of `orphans`. `then` runs in any case;
  /// nothing is written afterwards.
  void give_back(std::vector<kernel::ShardId> orphans, std::function<void()> then);

 private:
  struct Outcome {
    std::optional<storage::StoreIdentity> migrated = {};  // it was, just now
    std::optional<storage::StoreError> error = {};
    std::vector<kernel::ShardId> orphans = {};
  };
  /// Used on the second thread only.
  struct Beside {
    OpenStore open_store;
    Leadership leadership;
    std::unique_ptr<storage::Store> store = {};
    std::optional<storage::Granter> granter = {};  // there has been a store

    [[nodiscard]] Outcome try_open();
    [[nodiscard]] std::expected<void, storage::StoreError> lead(storage::Store& opened);
    [[nodiscard]] Outcome try_write(const kernel::ShardMap& map);
  };

  void attempt();
  void on_opened(const Outcome& outcome);
  void on_attempted(const Outcome& outcome);
  /// True if nothing more can be written.
  bool try_give_up(const storage::StoreError& error);
  void report_migration(const Outcome& outcome) const;

  Host& host_;
  Events events_;
  std::shared_ptr<Beside> beside_;  // shared with the work that is under way; null: there is nothing to write
  kernel::ShardMap map_;            // given last
  std::chrono::milliseconds retry_delay_{0};
  bool is_delay_reported_ = false;
  bool has_given_up_ = false;
  bool is_given_back_ = false;  // or about to be
  Timer timer_;
};

}  // namespace epic::cluster
