#pragma once
// Requests: a node's answers to inspect, ls, call, types, events and calls. Verbs and bodies as in cluster/README.md.
//
// Nothing but `call` wakes an entity: what is in memory is looked at, what is not is read from the store, by a thread
// of its own with a store of its own, so that a listing of a million snapshots holds up no commit.
//
// On the driver's thread; answers may leave from others.

#include <boost/json/object.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/driver.hpp"
#include "wire/supervision.hpp"

namespace epic::node {

/// Where answers go. Any thread. `wait_for_room` may be called between the parts of a long answer, by a thread that may
/// wait: it returns once the reader has caught up.
struct AnswerSink {
  std::function<void(const wire::Answer&)> send;
  std::function<void()> wait_for_room;
};

/// Opens the store again, for reading; null where that cannot be done (a store in memory).
using OpenReader = std::function<std::unique_ptr<storage::Store>()>;

class Requests {
 public:
  Requests(io::Driver& driver, AnswerSink sink, OpenReader open_reader)
      : driver_(driver), sink_(std::move(sink)), open_reader_(std::move(open_reader)) {}

  void handle(const wire::Request& request);
  /// Hands what a tick has asked for over to the reading thread, and takes what it has found. Once a tick.
  void on_tick();

 private:
  using Body = boost::json::object;
  struct Entity {
    std::string name;  // "Type/Key", by the type's present name
    std::string key;
    const kernel::TypeEntry* type;
    kernel::ShardId shard;
  };

  /// What the driver's thread hands to the reading thread for one `ls`.
  struct Listing {
    struct Live {
      kernel::ShardId shard;
      kernel::Version version;
      std::size_t bytes;
      std::int64_t idle_ms;
      std::uint64_t calls;
    };
    std::uint64_t id;
    storage::ListFilter filter;
    std::uint64_t left;  // of the limit
    std::string node;
    std::int64_t wall_ns;
    bool live_only;
    std::map<std::string, Live> live = {};  // by name
    std::vector<bool> ours = {};            // by shard
  };

  void inspect(std::uint64_t id, const Body& body);
  void inspect_stored(std::uint64_t id, const Entity& entity);
  void call(std::uint64_t id, const Body& body);
  void ls(std::uint64_t id, const Body& body);
  void types(std::uint64_t id);

  void send_listing(Listing& listing, storage::Store& store) const;
  [[nodiscard]] std::expected<Entity, wire::Answer> find_entity(std::uint64_t id, const Body& body);
  [[nodiscard]] bool is_ours(kernel::ShardId shard);
  [[nodiscard]] Body describe_live(const Entity& entity, kernel::Activation& activation);
  [[nodiscard]] wire::Answer describe_stored(std::uint64_t id, const Entity& entity, std::uint64_t epoch,
                                             storage::Store& store) const;
  [[nodiscard]] std::string node_name() const;
  void read(io::StorageThread::Read read);

  io::Driver& driver_;  // post() from any thread
  AnswerSink sink_;
  OpenReader open_reader_;
  std::unique_ptr<io::StorageThread> reader_;  // made with the first question about the store
  bool has_no_reader_ = false;                 // the store cannot be opened twice: the writing one answers
};

}  // namespace epic::node
