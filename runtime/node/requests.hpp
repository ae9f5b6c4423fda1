#pragma once
// Requests: a node's answers to inspect, call, types, ls, export, import, events and calls. Verbs and bodies as in
// cluster/README.md.
//
// Nothing but `call` wakes an entity: what is in memory is looked at, what is not is read from the store, by threads of
// their own with stores of their own, so that a listing of a million snapshots holds up no commit.
//
// Where: requests.cpp questions about one entity · requests_listing.cpp ls and export · requests_import.cpp import.
//
// On the driver's thread; answers may leave from others.

#include <boost/json/object.hpp>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "codec/show_name.hpp"
#include "io/driver.hpp"
#include "node/answer_streams.hpp"
#include "storage/store.hpp"
#include "wire/supervision.hpp"

namespace epic::node {

/// Where answers go. Any thread.
using SendAnswer = std::function<void(const wire::Answer&)>;

/// Opens the store again, for reading. Any thread.
using OpenReader = std::function<std::expected<std::unique_ptr<storage::Store>, storage::StoreError>()>;

class Requests {
 public:
  Requests(io::Driver& driver, const SendAnswer& send, OpenReader open_reader)
      : driver_(driver),
        send_(send),
        open_reader_(std::move(open_reader)),
        show_name_([&types = driver.kernel().types()](std::string_view name) { return types.shown(name); }),
        streams_(send) {}

  void handle(const wire::Request& request);
  void handle(const wire::GoOn& go_on) { streams_.go_on(go_on); }
  /// Hands what a tick has asked for over to the reading thread, and takes what it has found. Once a tick.
  void on_tick();

 private:
  using Body = boost::json::object;
  struct Entity {
    std::string name;   // "Type/Key", by the type's stored name
    std::string shown;  // by its present name
    std::string key;
    const kernel::TypeEntry* type;
    kernel::ShardId shard;
  };

  void inspect(std::uint64_t id, const Body& body);
  void inspect_stored(std::uint64_t id, const Entity& entity);
  void call(std::uint64_t id, const Body& body);
  void types(std::uint64_t id);
  void ls(std::uint64_t id, const Body& body);
  void export_states(std::uint64_t id, const Body& body);
  void import_states(std::uint64_t id, const Body& body);
  struct Importing;  // one request of that
  void check_import(const std::shared_ptr<Importing>& importing);
  void carry_out_import(const std::shared_ptr<Importing>& importing);
  void end_import(const Importing& importing);

  [[nodiscard]] std::expected<storage::ListFilter, wire::Answer> filter_of(std::uint64_t id, const Body& body);
  /// By shard.
  [[nodiscard]] std::vector<bool> list_ours();
  [[nodiscard]] std::expected<Entity, wire::Answer> find_entity(std::uint64_t id, const Body& body);
  [[nodiscard]] bool is_ours(kernel::ShardId shard);
  [[nodiscard]] Body describe_live(const Entity& entity, kernel::Activation& activation);
  [[nodiscard]] wire::Answer describe_stored(std::uint64_t id, const Entity& entity, std::uint64_t epoch,
                                             storage::Store& store) const;
  [[nodiscard]] std::string node_name() const;
  void read(io::StorageWorkers::Read read);

  io::Driver& driver_;  // post() from any thread
  SendAnswer send_;
  OpenReader open_reader_;
  codec::ShowName show_name_;                   // any thread
  std::unique_ptr<io::StorageWorkers> reader_;  // made with the first question about the store
  bool has_no_reader_ = false;                  // the store cannot be opened twice: the writing one answers
  AnswerStreams streams_;                       // last: they use the rest
};

}  // namespace epic::node
