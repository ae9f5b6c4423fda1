#include "cluster/supervisor/grant_writer.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

#include "support/store_fixtures.hpp"

using namespace epic::cluster;
using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::Incarnation;
using epic::kernel::MapVersion;
using epic::kernel::NodeId;
using epic::kernel::ShardId;
using epic::kernel::Term;

namespace {

using namespace std::chrono_literals;

epic::kernel::ShardMap map_of(std::uint64_t version, NodeId owner) {
  return {.version = MapVersion{version},
          .owners = std::vector<NodeId>(kShardCount, owner),
          .members = {{owner, incarnation_of(owner), {}}},
          .moving = {},
          .owned_since = std::vector<MapVersion>(kShardCount, MapVersion{version})};
}

struct GrantWriterFixture {
  TempDir directory;
  boost::asio::io_context context;
  int written = 0;
  std::vector<std::string> delays;
  std::vector<std::string> depositions;

  GrantWriter make(std::filesystem::path location, Term term = Term{1}) {
    return {context,
            {.kind = "sqlite", .location = std::move(location), .shard_count = kShardCount, .mode = OpenMode::create},
            term,
            {.on_written = [this] { ++written; },
             .on_migrated = [](const StoreIdentity&) {},
             .on_delay = [this](const std::string& why) { delays.push_back(why); },
             .on_deposed = [this](const std::string& why) { depositions.push_back(why); }}};
  }
  /// Until something is called back.
  void wait_for_one() {
    context.restart();
    const auto guard = boost::asio::make_work_guard(context);
    REQUIRE(context.run_one_for(30s) == 1);
  }
};

}  // namespace

TEST_CASE("grant writer: a map's owners are in the store when it says so", "[cluster]") {
  GrantWriterFixture f;
  auto writer = f.make(f.directory.file());
  writer.write(map_of(1, NodeId{3}));
  f.wait_for_one();
  REQUIRE(f.written == 1);
  const auto store = open_sqlite(f.directory.file());
  const std::vector<ShardId> shards{ShardId{0}, ShardId{7}};
  CHECK(must(store->take(shards, NodeId{3}, incarnation_of(NodeId{3}))).size() == 2);
}

TEST_CASE("grant writer: the next one goes on from what its predecessor has written and not published", "[cluster]") {
  GrantWriterFixture f;
  {
    auto dies = f.make(f.directory.file(), Term{9});
    dies.write(map_of(41, NodeId{3}));
    f.wait_for_one();
  }
  auto writer = f.make(f.directory.file(), Term{1});  // its own count was lost
  writer.write(map_of(1, NodeId{2}));
  f.wait_for_one();
  CHECK(f.written == 2);
  const auto store = open_sqlite(f.directory.file());
  for (const auto& row : must(store->shards())) {
    CHECK(row.term == Term{10});
    CHECK(row.incarnation == incarnation_of(NodeId{2}));
  }
}

TEST_CASE("grant writer: a supervisor that no longer leads is told, and writes nothing more", "[cluster]") {
  GrantWriterFixture f;
  auto former = f.make(f.directory.file());
  former.write(map_of(1, NodeId{1}));
  f.wait_for_one();
  auto leader = f.make(f.directory.file());
  leader.write(map_of(1, NodeId{2}));
  f.wait_for_one();
  former.write(map_of(2, NodeId{3}));
  f.wait_for_one();
  REQUIRE(f.depositions.size() == 1);
  CHECK_THAT(f.depositions[0], Catch::Contains("node-2 has it"));
  CHECK(f.written == 2);
  CHECK(must(open_sqlite(f.directory.file())->shards())[0].node == NodeId{2});
}

TEST_CASE("grant writer: a store that cannot be opened is tried again, and reported once", "[cluster]") {
  GrantWriterFixture f;
  const std::filesystem::path directory = f.directory.path() / "later";
  auto writer = f.make(directory / "state.sqlite");
  writer.write(map_of(1, NodeId{1}));
  f.wait_for_one();
  REQUIRE(f.delays.size() == 1);
  CHECK(f.written == 0);
  std::filesystem::create_directory(directory);
  f.wait_for_one();
  CHECK(f.delays.size() == 1);
  CHECK(f.written == 1);
}

TEST_CASE("grant writer: without a store that is shared there is nothing to write", "[cluster]") {
  GrantWriterFixture f;
  auto writer = f.make({});
  writer.write(map_of(1, NodeId{1}));
  f.wait_for_one();
  CHECK(f.written == 1);
}
