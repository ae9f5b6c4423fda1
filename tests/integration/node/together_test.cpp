// Classes that are together: on real nodes, in the store, and what becomes of a module that says otherwise.

#include <signal.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <string>

#include "epic/client.hpp"
#include "integration/modules/hotel.hpp"
#include "integration/node/real_fabric.hpp"
#include "kernel/placement.hpp"
#include "storage/open_store.hpp"
#include "storage/resharding.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::kernel::Placement;
using epic::kernel::PlacementGroups;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using hotel::Guest;
using hotel::Room;
namespace storage = epic::storage;

namespace {

constexpr int kFloors = 12;
const PlacementGroups kTogether{{"Guest", "Room"}};

std::string room_of(int floor) { return "{floor " + std::to_string(floor) + "}"; }
std::string guest_of(int floor) { return "{floor " + std::to_string(floor) + "}:guest"; }

storage::StoreAddress hotel_store(const ProjectDirectory& project) {
  return storage::locate_store("sqlite", project.path() / ".epic");
}

Placement placement_of(const ProjectDirectory& project) {
  const auto store = storage::open_store({.address = hotel_store(project), .mode = storage::OpenMode::read_only});
  REQUIRE(store);
  return (*store)->identity().placement;
}

void regroup(const ProjectDirectory& project, PlacementGroups groups) {
  auto resharding = storage::Resharding::prepare(hotel_store(project),
                                                 Placement(placement_of(project).shard_count(), std::move(groups)), {});
  REQUIRE(resharding);
  REQUIRE(resharding->finish());
}

void stop_hotel(Supervised& fabric) {
  fabric.signal(SIGTERM);
  CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
}

/// How many guests are in the process of their room.
int count_neighbours(const Client& client) {
  int count = 0;
  for (int floor = 0; floor < kFloors; ++floor)
    count += client.call(client.get<Guest>(guest_of(floor))->process()) ==
                     client.call(client.get<Room>(room_of(floor))->process())
                 ? 1
                 : 0;
  return count;
}

void check_guests(const Client& client, std::int64_t visits) {
  for (int floor = 0; floor < kFloors; ++floor) {
    CHECK(client.call(client.get<Guest>(guest_of(floor))->visit_count()) == visits);
    const auto until = std::chrono::steady_clock::now() + 30s;
    const auto wanted = static_cast<std::size_t>(2 * visits);  // its own, and its mail's
    std::size_t seen = 0;
    while ((seen = client.call(client.get<Room>(room_of(floor))->list_guests()).size()) < wanted)
      if (std::chrono::steady_clock::now() > until) break;
    CHECK(seen == wanted);
  }
}

void visit_all(const Client& client) {
  for (int floor = 0; floor < kFloors; ++floor)
    client.call(client.get<Guest>(guest_of(floor))->visit(client.get<Room>(room_of(floor))));
}

}  // namespace

TEST_CASE("together: entities with one tag are in one process, wherever the shards go, and callers find them",
          "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("hotel_together", 3)};
  fabric.wait_for("ready 3 nodes");
  fabric.wait_until_level();
  CHECK(placement_of(project).groups() == kTogether);
  const Client client = Client::connect(project.path().string());  // whose own classes say nothing of it
  visit_all(client);
  check_guests(client, 1);
  CHECK(count_neighbours(client) == kFloors);
  for (int floor = 0; floor < kFloors; ++floor) {  // through the supervisor
    CHECK(fabric.call("Guest/" + guest_of(floor), "visit_count").at("result") == 1);
    CHECK(fabric.ask("inspect", {{"entity", "Guest/" + guest_of(floor)}}).at("shard") ==
          fabric.ask("inspect", {{"entity", "Room/" + room_of(floor)}}).at("shard"));
  }
  const pid_t victim = fabric.list_node_pids().at(0);
  REQUIRE(::kill(victim, SIGKILL) == 0);
  fabric.wait_for_ps("the loss of the process", [&](const boost::json::object& ps) {
    return !boost::json::serialize(ps).contains(std::to_string(victim));
  });
  fabric.wait_until_level();
  CHECK(count_neighbours(client) == kFloors);
  check_guests(client, 1);
}

TEST_CASE("together: a module with other groups than the store is refused until epic reshard --groups, both ways",
          "[node]") {
  const ProjectDirectory project;
  const auto run = [&](const std::string& module, std::int64_t visits, bool is_together) {
    Supervised fabric{project, "unused", real_nodes(module, 3)};
    fabric.wait_for("ready 3 nodes");
    fabric.wait_until_level();
    const Client client = Client::connect(project.path().string());
    if (visits > 1) check_guests(client, visits - 1);
    visit_all(client);
    check_guests(client, visits);
    CHECK((count_neighbours(client) == kFloors) == is_together);
    stop_hotel(fabric);
  };
  run("hotel_apart", 1, false);
  CHECK(placement_of(project).groups().empty());
  {
    Supervised fabric{project, "unused", real_nodes("hotel_together", 3)};
    CHECK_THAT(fabric.wait_for_error(),
               Catch::Contains("class Guest is together(Room) in the module, but on its own in the store") &&
                   Catch::Contains("`epic reshard --groups`"));
  }
  regroup(project, kTogether);
  run("hotel_together", 2, true);
  {
    Supervised fabric{project, "unused", real_nodes("hotel_apart", 3)};
    CHECK_THAT(fabric.wait_for_error(),
               Catch::Contains("class Guest is on its own in the module, but together(Room) in the store"));
  }
  regroup(project, {});
  run("hotel_apart", 3, false);
}
