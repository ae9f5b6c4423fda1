#include "cluster/supervisor/grant_writer.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <utility>

#include "storage/open_store.hpp"
#include "storage/store_mark.hpp"
#include "support/fake_host.hpp"
#include "support/forwarding_store.hpp"
#include "support/store_fixtures.hpp"

using namespace epic::cluster;
using namespace epic::storage::test;
using epic::kernel::Incarnation;
using epic::kernel::MapVersion;
using epic::kernel::NodeId;
using epic::kernel::ShardId;
using epic::kernel::Term;
using epic::storage::Granter;
using epic::storage::MemoryStore;
using epic::storage::OpenMode;
using epic::storage::Store;
using epic::storage::StoreError;
using epic::storage::StoreErrorCode;
using epic::storage::StoreIdentity;
using epic::storage::StoreMark;

namespace {

using namespace std::chrono_literals;

epic::kernel::ShardMap map_of(std::uint64_t version, NodeId owner) {
  return {.version = MapVersion{version},
          .owners = std::vector<NodeId>(kShardCount, owner),
          .members = {{owner, incarnation_of(owner), {}}},
          .moving = {},
          .owned_since = std::vector<MapVersion>(kShardCount, MapVersion{version})};
}

/// A store whose next grant fails once, so that it has to be opened anew.
class FaultyGrants final : public epic::test::ForwardingStore {
 public:
  FaultyGrants(std::unique_ptr<Store> inner, bool& fails) : ForwardingStore(std::move(inner)), fails_(fails) {}
  std::expected<void, StoreError> grant(const epic::storage::Grants& grants) override {
    if (std::exchange(fails_, false)) return std::unexpected(StoreError{StoreErrorCode::io, "A bad block."});
    return inner().grant(grants);
  }

 private:
  bool& fails_;
};

std::expected<std::unique_ptr<Store>, StoreError> open_faulty(const std::filesystem::path& location, bool& fails) {
  return std::make_unique<FaultyGrants>(open_sqlite(location), fails);
}

struct GrantWriterFixture {
  TempDir directory;
  epic::cluster::test::FakeHost host;
  int written = 0;
  std::vector<std::vector<ShardId>> orphans;  // of each map that was written
  std::vector<std::string> delays;
  std::vector<std::string> depositions;
  std::vector<std::string> damages;

  std::unique_ptr<GrantWriter> make(GrantWriter::OpenStore open_store, GrantWriter::Leadership leadership) {
    return std::make_unique<GrantWriter>(
        host, std::move(open_store), std::move(leadership),
        GrantWriter::Events{.on_written =
                                [this](const auto& shards) {
                                  ++written;
                                  orphans.push_back(shards);
                                },
                            .on_migrated = [](const StoreIdentity&) {},
                            .on_delay = [this](const std::string& why) { delays.push_back(why); },
                            .on_deposed = [this](const std::string& why) { depositions.push_back(why); },
                            .on_damage = [this](const std::string& why) { damages.push_back(why); }});
  }
  std::unique_ptr<GrantWriter> make(GrantWriter::OpenStore open_store) {
    return make(std::move(open_store), {.term = Term{1}});
  }
  std::unique_ptr<GrantWriter> make(std::filesystem::path location, GrantWriter::Leadership leadership = {Term{1}}) {
    return make(
        [location = std::move(location)] {
          return epic::storage::open_store({.address = {.kind = "sqlite", .location = location},
                                            .shard_count = kShardCount,
                                            .mode = OpenMode::create});
        },
        std::move(leadership));
  }
  void pass(std::chrono::milliseconds duration) {
    host.settle();
    for (const auto end = host.now() + duration; host.run_timer(end);) host.settle();
  }
};

}  // namespace

TEST_CASE("grant writer: a map's owners are in the store when it says so", "[cluster]") {
  GrantWriterFixture f;
  auto writer = f.make(f.directory.file());
  writer->write(map_of(1, NodeId{3}));
  f.pass(0ms);
  REQUIRE(f.written == 1);
  const auto store = open_sqlite(f.directory.file());
  const std::vector<ShardId> shards{ShardId{0}, ShardId{7}};
  CHECK(must(store->take(shards, NodeId{3}, incarnation_of(NodeId{3}))).size() == 2);
}

TEST_CASE("grant writer: the next one goes on from what its predecessor has written and not published", "[cluster]") {
  GrantWriterFixture f;
  {
    auto dies = f.make(f.directory.file(), {.term = Term{9}});
    dies->write(map_of(41, NodeId{3}));
    f.pass(0ms);
  }
  auto writer = f.make(f.directory.file(), {.term = Term{1}});  // its own count was lost
  writer->write(map_of(1, NodeId{2}));
  f.pass(0ms);
  CHECK(f.written == 2);
  const auto store = open_sqlite(f.directory.file());
  for (const auto& row : must(store->shards())) {
    CHECK(row.term == Term{10});
    CHECK(row.incarnation == incarnation_of(NodeId{2}));
  }
}

TEST_CASE("grant writer: shards that were not given back are orphans of the next run, once", "[cluster]") {
  GrantWriterFixture f;
  const auto run = [&](std::uint16_t node, const std::vector<ShardId>* given_back_but) {
    auto writer = f.make(f.directory.file());
    for (const std::uint64_t version : {1, 2}) {
      writer->write(map_of(version, NodeId{node}));
      f.pass(0ms);
    }
    bool has_ended = given_back_but == nullptr;
    if (given_back_but != nullptr) writer->give_back(*given_back_but, [&] { has_ended = true; });
    f.pass(0ms);
    CHECK(has_ended);
    return std::exchange(f.orphans, {});
  };
  const std::vector<ShardId> none;
  const std::vector<ShardId> one{ShardId{3}};
  CHECK(run(1, nullptr).front().empty());  // nobody has had them before
  const auto after_death = run(2, &none);
  CHECK(after_death.front().size() == kShardCount);
  CHECK(after_death.back().empty());
  CHECK(run(3, &one).front().empty());
  CHECK(run(4, &none).front() == one);
}

TEST_CASE("grant writer: a supervisor that no longer leads is told, and writes nothing more", "[cluster]") {
  GrantWriterFixture f;
  auto former = f.make(f.directory.file());
  former->write(map_of(1, NodeId{1}));
  f.pass(0ms);
  auto leader = f.make(f.directory.file());
  leader->write(map_of(1, NodeId{2}));
  f.pass(0ms);
  former->write(map_of(2, NodeId{3}));
  f.pass(0ms);
  REQUIRE(f.depositions.size() == 1);
  CHECK_THAT(f.depositions[0], Catch::Contains("node-2 has it"));
  CHECK(f.written == 2);
  CHECK(must(open_sqlite(f.directory.file())->shards())[0].node == NodeId{2});
}

TEST_CASE("grant writer: a supervisor that no longer leads does not outbid the leader when it opens the store anew",
          "[cluster]") {
  GrantWriterFixture f;
  bool fails = false;
  auto former = f.make([&] { return open_faulty(f.directory.file(), fails); });
  former->write(map_of(1, NodeId{1}));
  f.pass(0ms);
  auto leader = f.make(f.directory.file());
  leader->write(map_of(1, NodeId{2}));
  f.pass(0ms);
  REQUIRE(f.written == 2);
  fails = true;
  former->write(map_of(2, NodeId{3}));
  f.pass(1s);
  CHECK_FALSE(fails);
  REQUIRE(f.depositions.size() == 1);
  CHECK_THAT(f.depositions[0], Catch::Contains("node-2 under term 2, and this one has term 1"));
  for (const auto& row : must(open_sqlite(f.directory.file())->shards())) {
    CHECK(row.term == Term{2});
    CHECK(row.node == NodeId{2});
  }
}

TEST_CASE("grant writer: a supervisor that leads goes on in its term when it opens the store anew", "[cluster]") {
  GrantWriterFixture f;
  bool fails = false;
  auto writer = f.make([&] { return open_faulty(f.directory.file(), fails); });
  writer->write(map_of(1, NodeId{1}));
  f.pass(0ms);
  fails = true;
  writer->write(map_of(2, NodeId{2}));
  f.pass(1s);
  CHECK_FALSE(fails);
  CHECK(f.written == 2);
  for (const auto& row : must(open_sqlite(f.directory.file())->shards())) {
    CHECK(row.term == Term{1});
    CHECK(row.node == NodeId{2});
  }
}

TEST_CASE("grant writer: of several machines one that was replaced before it began to write writes nothing",
          "[cluster]") {
  GrantWriterFixture f;
  const GrantWriter::Leadership second{.term = Term{2}, .rule = Granter::TermRule::exact};
  auto first = f.make(f.directory.file());
  first->write(map_of(1, NodeId{1}));
  f.pass(0ms);
  auto leader = f.make(f.directory.file(), second);
  leader->write(map_of(1, NodeId{2}));
  f.pass(0ms);
  REQUIRE(f.written == 2);
  auto late = f.make(f.directory.file(), second);  // chosen before those rows were written
  late->write(map_of(1, NodeId{3}));
  f.pass(1s);
  REQUIRE(f.depositions.size() == 1);
  CHECK_THAT(f.depositions[0], Catch::Contains("another supervisor leads"));
  CHECK(must(open_sqlite(f.directory.file())->shards())[0].node == NodeId{2});
}

TEST_CASE("grant writer: a store that cannot be opened is tried again, ever more rarely, and reported once",
          "[cluster]") {
  GrantWriterFixture f;
  int openings = 0;
  bool is_there = false;
  auto writer = f.make([&]() -> std::expected<std::unique_ptr<Store>, StoreError> {
    ++openings;
    if (!is_there) return std::unexpected(StoreError{StoreErrorCode::not_found, "There is no disk."});
    return std::make_unique<MemoryStore>(epic::kernel::ungrouped(kShardCount), [] { return kNow; });
  });
  f.pass(0ms);
  CHECK(openings == 1);  // before it is needed
  CHECK(f.delays.empty());

  writer->write(map_of(1, NodeId{1}));
  f.pass(20ms);
  CHECK(openings == 3);
  f.pass(10s);
  CHECK(openings < 30);
  CHECK(f.delays == std::vector<std::string>{"There is no disk."});
  CHECK(f.written == 0);

  is_there = true;
  f.pass(500ms);
  CHECK(f.written == 1);
  CHECK(f.delays.size() == 1);
}

TEST_CASE("grant writer: a store that nobody can go on with is reported at once, and left alone", "[cluster]") {
  GrantWriterFixture f;
  const StoreErrorCode code = GENERATE(StoreErrorCode::marked, StoreErrorCode::corrupt);
  int openings = 0;
  auto writer = f.make([&]() -> std::expected<std::unique_ptr<Store>, StoreError> {
    ++openings;
    return std::unexpected(StoreError{code, "The log was cut off."});
  });
  f.pass(0ms);
  CHECK(f.damages == std::vector<std::string>{"The log was cut off."});  // before a map is there
  writer->write(map_of(1, NodeId{1}));
  f.pass(10s);
  bool has_ended = false;
  writer->give_back({}, [&] { has_ended = true; });
  f.pass(0ms);
  CHECK(has_ended);
  CHECK(openings == 1);
  CHECK(f.damages.size() == 1);
  CHECK(f.delays.empty());
  CHECK(f.written == 0);
}

TEST_CASE("grant writer: a mark that a node leaves while the store is open ends the writing", "[cluster]") {
  GrantWriterFixture f;
  auto writer = f.make(f.directory.file());
  writer->write(map_of(1, NodeId{1}));
  f.pass(0ms);
  REQUIRE(f.written == 1);
  epic::storage::write_mark(f.directory.file(), {.kind = StoreMark::Kind::lost, .what = "the log was cut off"}, kNow);
  writer->write(map_of(2, NodeId{2}));
  f.pass(10s);
  REQUIRE(f.damages.size() == 1);
  CHECK_THAT(f.damages[0], Catch::Contains("the log was cut off"));
  CHECK(f.written == 1);
  CHECK(must(open_sqlite(f.directory.file(), reading())->shards())[0].node == NodeId{1});
}

TEST_CASE("grant writer: what was asked for last is neither repeated nor called back when it is gone", "[cluster]") {
  GrantWriterFixture f;
  int openings = 0;
  auto writer = f.make([&]() -> std::expected<std::unique_ptr<Store>, StoreError> {
    ++openings;
    return std::unexpected(StoreError{StoreErrorCode::not_found, "There is no disk."});
  });
  writer->write(map_of(1, NodeId{1}));
  f.pass(0ms);
  writer.reset();
  const int openings_before = openings;
  f.pass(10s);
  CHECK(openings == openings_before);
}

TEST_CASE("grant writer: what fails while the shards are being given back is not tried again", "[cluster]") {
  GrantWriterFixture f;
  int openings = 0;
  auto writer = f.make([&]() -> std::expected<std::unique_ptr<Store>, StoreError> {
    ++openings;
    return std::unexpected(StoreError{StoreErrorCode::not_found, "There is no disk."});
  });
  f.pass(0ms);
  writer->write(map_of(1, NodeId{1}));
  bool has_ended = false;
  writer->give_back({}, [&] { has_ended = true; });
  f.pass(10s);
  CHECK(has_ended);
  CHECK(openings == 2);
}

TEST_CASE("grant writer: without a store that is shared there is nothing to write", "[cluster]") {
  GrantWriterFixture f;
  auto writer = f.make(GrantWriter::OpenStore());
  writer->write(map_of(1, NodeId{1}));
  CHECK(f.written == 0);  // never inside the call
  f.pass(0ms);
  CHECK(f.written == 1);
}
