#pragma once
// Requests: a node's answers to inspect, call, types, ls, export, import, events, calls and outbox. The table of verbs
// is protocol/control.hpp.
//
// Only `call` activates an entity: what is in memory is read there, the rest is read from the store, by separate
// threads with separate stores, so that listing a million snapshots delays no commit.
//
// Where: requests.cpp requests about one entity · requests_listing.cpp ls and export · requests_import.cpp import ·
// requests_outbox.cpp outbox.
//
// On the execution thread; answers may be sent from others.

#include <boost/json/object.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/show_name.hpp"
#include "io/engine.hpp"
#include "node/answer_streams.hpp"
#include "protocol/control.hpp"
#include "protocol/supervision.hpp"
#include "storage/store.hpp"

namespace epic::node {

/// Where answers go. Any thread.
using SendAnswer = std::function<void(const protocol::Answer&)>;

[[nodiscard]] constexpr std::int64_t to_ms(std::int64_t nanoseconds) { return nanoseconds / 1'000'000; }

class Requests {
 public:
  /// Work on a store beside the execution thread. `wake` is called when it has events.
  using MakeWork =
      std::function<std::unique_ptr<io::StorageWork>(std::unique_ptr<storage::Store>, std::function<void()> wake)>;
  struct Parts {
    SendAnswer send;
    std::function<void(std::function<void()>)> post;  // any thread: runs its argument on the execution thread
    storage::Store::OpenReader open_reader;           // not on the execution thread: it may wait for the disk
    MakeWork make_work;
  };

  Requests(io::Engine& engine, Parts parts)
      : engine_(engine),
        parts_(std::move(parts)),
        show_name_([&types = engine.kernel().types()](std::string_view name) { return types.shown(name); }),
        streams_(parts_.send) {}

  void handle(const protocol::Request& request);
  void handle(const protocol::GoOn& go_on) { streams_.go_on(go_on); }

 private:
  using Body = boost::json::object;
  struct Entity {
    std::string name;   // "Type/Key", by the type's stored name
    std::string shown;  // by its current name
    std::string key;
    const kernel::TypeEntry* type;
    kernel::ShardId shard;
  };

  template <class Verb>
  struct Asked {
    std::uint64_t id;  // of the request
    typename Verb::Request request;
    const Body& body;  // the JSON of the request, with values of users' types
  };
  /// False if it is none of these verbs.
  template <class... Verb>
  bool receive(const protocol::Request& request, const Body& body);
  template <class Verb>
  void receive_one(std::uint64_t id, const Body& body);

  void answer(const Asked<protocol::control::Inspect>& asked);
  void answer(const Asked<protocol::control::Call>& asked);
  void answer(const Asked<protocol::control::Ls>& asked);
  void answer(const Asked<protocol::control::Export>& asked);
  void answer(const Asked<protocol::control::Import>& asked);
  void answer(const Asked<protocol::control::Types>& asked);
  void answer(const Asked<protocol::control::Events>& asked);
  void answer(const Asked<protocol::control::Calls>& asked);
  void answer(const Asked<protocol::control::Outbox>& asked);

  void inspect_stored(std::uint64_t id, const Entity& entity);
  struct Importing;  // one request of these
  void check_import(const std::shared_ptr<Importing>& importing);
  void carry_out_import(const std::shared_ptr<Importing>& importing);
  void end_import(const Importing& importing);
  struct Settling;  // one request of the outbox
  void settle_next(const std::shared_ptr<Settling>& settling);

  [[nodiscard]] std::expected<storage::ListFilter, protocol::Answer> filter_of(std::uint64_t id,
                                                                               const std::string& type,
                                                                               const std::string& key_prefix);
  /// By shard.
  [[nodiscard]] std::vector<bool> list_ours();
  /// By shard; empty: not ours.
  [[nodiscard]] std::vector<std::optional<kernel::Epoch>> list_tenures();
  [[nodiscard]] std::expected<Entity, protocol::Answer> find_entity(std::uint64_t id, const std::string& asked);
  [[nodiscard]] bool is_ours(kernel::ShardId shard);
  /// Answers with a value of a user's type as the member `name` beside the others.
  void send_with(std::uint64_t id, boost::json::object answer, std::string_view name, const reflect::TypeInfo& type,
                 const void* value);
  void send_live(std::uint64_t id, const Entity& entity, kernel::Activation& activation);
  void send_local(std::uint64_t id, const Entity& entity);
  [[nodiscard]] protocol::Answer describe_stored(std::uint64_t id, const Entity& entity, std::uint64_t epoch,
                                                 storage::Store& store) const;
  [[nodiscard]] std::string node_name() const;
  /// Runs `read` on a thread of its own, and what it returns before the next tick, which saves what that changes.
  void read(io::StorageWork::Read read);
  void on_read();

  io::Engine& engine_;
  Parts parts_;
  codec::ShowName show_name_;                // any thread
  std::unique_ptr<io::StorageWork> reader_;  // created with the first request about the store
  AnswerStreams streams_;                    // last: they use the other members
};

}  // namespace epic::node
