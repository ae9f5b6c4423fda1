#include "support/standby_scenario.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "storage/postgres_store.hpp"
#include "support/postgres_server.hpp"
#include "support/temp_dir.hpp"

namespace epic::test {

namespace {

namespace fs = std::filesystem;
using kernel::Incarnation;
using kernel::NodeId;
using kernel::ShardId;
using kernel::Version;
using storage::PostgresStore;
using storage::StoreErrorCode;

constexpr std::uint32_t kShards = 8;
constexpr std::size_t kWritersMax = 4;
constexpr std::uint64_t kCommitsMax = 6;
constexpr int kAttempts = 500;
constexpr int kAttemptEveryMs = 20;
constexpr const char* kType = "Number";

class StandbyScenario {
 public:
  explicit StandbyScenario(std::uint64_t seed) : random_(seed) {
    fs::create_directory_symlink(primary_.directory(), address_);
  }

  std::string run() {
    const std::size_t writers = 1 + draw(kWritersMax);
    for (std::size_t i = 0; i < writers; ++i) add_writer();
    write_some(1);
    PostgresServer standby(primary_);
    write_some(0);
    if (draw(2) == 0) await(standby);
    standby.stop(PostgresServer::End::fast);
    const bool is_behind = draw(3) > 0;
    if (is_behind) write_some(0);
    for (Writer& writer : writers_)
      if (draw(3) == 0) writer.store.reset();
    primary_.stop(PostgresServer::End::crash);
    fs::remove(address_);
    fs::create_directory_symlink(standby.directory(), address_);
    standby.start();
    standby.promote();
    return judge();
  }

 private:
  struct Writer {
    std::unique_ptr<PostgresStore> store;  // null: it has died
    ShardId shard;
    NodeId node;
    kernel::Epoch epoch = {};
    Version confirmed{0};  // of its entity
  };

  std::uint64_t draw(std::uint64_t below) { return random_() % below; }
  [[nodiscard]] static Incarnation incarnation_of(NodeId node) { return Incarnation{node.value * 1000ULL}; }
  [[nodiscard]] static std::string key_of(const Writer& writer) { return fmt::format("{}", writer.shard); }

  template <class Value>
  static Value must(std::expected<Value, storage::StoreError> result) {
    if (!result) throw std::runtime_error(result.error().message);
    if constexpr (!std::is_void_v<Value>) return *std::move(result);
  }

  void add_writer() {
    const auto number = static_cast<std::uint32_t>(writers_.size());
    Writer writer{.store = open(), .shard = ShardId{number}, .node = NodeId{static_cast<std::uint16_t>(number + 1)}};
    must(writer.store->grant(
        {.term = kernel::Term{1},
         .map_version = kernel::MapVersion{1},
         .list = {
             {.shard = writer.shard, .node = writer.node, .incarnation = incarnation_of(writer.node), .former = {}}}}));
    writer.epoch = must(writer.store->take({&writer.shard, 1}, writer.node, incarnation_of(writer.node))).at(0).epoch;
    writers_.push_back(std::move(writer));
  }

  std::unique_ptr<PostgresStore> open() {
    return must(
        PostgresStore::open(url_, {.mode = storage::OpenMode::create, .shard_count = kShards, .notes = notes_.path()}));
  }

  /// Each writer, at least so many times.
  void write_some(std::uint64_t commits_min) {
    for (Writer& writer : writers_)
      for (std::uint64_t left = commits_min + draw(kCommitsMax); left > 0; --left) {
        must(write(writer, *writer.store));
        writer.confirmed = writer.confirmed.next();
      }
  }

  static std::expected<void, storage::StoreError> write(const Writer& writer, PostgresStore& store) {
    return store.commit({.number = kernel::CommitNumber{1},
                         .writer = incarnation_of(writer.node),
                         .epochs = {{writer.shard, writer.epoch}},
                         .schemas = {{kernel::SchemaId{1}, "schema"}},
                         .operations = {kernel::PutSnapshot{.type = kType,
                                                            .key = key_of(writer),
                                                            .shard = writer.shard,
                                                            .version = writer.confirmed.next(),
                                                            .replaces = {},
                                                            .schema = kernel::SchemaId{1},
                                                            .bytes = {}}}});
  }

  void await(PostgresServer& standby) {
    const std::string sent = primary_.run_sql(database_, "SELECT pg_current_wal_lsn()");
    const std::string of_standby = PostgresServer::url_through(standby.directory(), database_);
    for (int look = 0; look < kAttempts; ++look) {
      if (standby.run_sql(of_standby, fmt::format("SELECT pg_last_wal_replay_lsn() >= '{}'", sent)) == "t") return;
      ::poll(nullptr, 0, kAttemptEveryMs);
    }
    throw std::runtime_error("the standby does not follow");
  }

  /// Whether a process that has the store open, or opens it now, may write.
  bool goes_on(const Writer& writer, std::unique_ptr<PostgresStore> store) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      if (!store) {
        auto opened = PostgresStore::open(
            url_, {.mode = storage::OpenMode::existing, .shard_count = kShards, .notes = notes_.path()});
        if (opened) store = *std::move(opened);
        if (!store && opened.error().code == StoreErrorCode::marked) return false;
      }
      if (store) {
        const auto written = write(writer, *store);
        if (written) return true;
        if (written.error().code == StoreErrorCode::marked) return false;
        if (written.error().code != StoreErrorCode::unsure && written.error().code != StoreErrorCode::busy)
          throw std::runtime_error(written.error().message);
      }
      ::poll(nullptr, 0, kAttemptEveryMs);
    }
    throw std::runtime_error("the server that has taken over cannot be written to");
  }

  /// What was confirmed, and is not there; empty: nothing.
  std::string find_loss() {
    const auto store = must(PostgresStore::open(url_, {.mode = storage::OpenMode::read_only}));
    for (const Writer& writer : writers_) {
      const auto snapshot = must(store->load(kType, key_of(writer)));
      const Version there = snapshot ? snapshot->version : Version{0};
      if (there < writer.confirmed)
        return fmt::format("{}/{} was confirmed at version {}, and is at {}", kType, key_of(writer), writer.confirmed,
                           there);
    }
    return {};
  }

  std::string judge() {
    const std::string loss = find_loss();
    std::ranges::shuffle(writers_, random_);
    for (Writer& writer : writers_) {
      const bool is_living = writer.store != nullptr;
      const bool has_gone_on = goes_on(writer, std::move(writer.store));
      const std::string who = fmt::format("a process that {}", is_living ? "lived on" : "came next");
      if (has_gone_on && !loss.empty()) return fmt::format("{} goes on, though {}", who, loss);
      if (!has_gone_on && loss.empty()) return fmt::format("{} may not go on, though nothing is missing", who);
    }
    return {};
  }

  std::mt19937_64 random_;
  PostgresServer primary_;
  std::string database_ = primary_.make_database();
  TempDir directory_;
  TempDir notes_;
  fs::path address_ = directory_.path() / "address";
  std::string url_ = PostgresServer::url_through(address_, database_);
  std::vector<Writer> writers_;
};

}  // namespace

std::string run_standby_scenario(std::uint64_t seed) { return StandbyScenario(seed).run(); }

}  // namespace epic::test
