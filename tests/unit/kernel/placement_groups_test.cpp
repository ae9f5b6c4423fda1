// Classes that are placed together, from EPIC_ENTITY to the shard.

#include "kernel/placement_groups.hpp"

#include <catch2/catch.hpp>
#include <epic/epic.hpp>
#include <epic/version.hpp>
#include <string>

#include "kernel/type_table.hpp"

using namespace epic;
using namespace epic::kernel;

namespace {

namespace park {
class Bench : public Entity {
  EPIC_ENTITY(Bench, named("Seat", formerly("Bank")))
};
class Walker : public Entity {
  EPIC_ENTITY(Walker, together(Path), transient)
};
class Pigeon : public Entity {
  EPIC_ENTITY(Pigeon, together(park::Seat), named("Bird", formerly("Dove")))
};
class Squirrel : public Entity {
  EPIC_ENTITY(Squirrel, together(Bank))
};
class Tree : public Entity {
  EPIC_ENTITY(Tree, together(Tree))
};
class Oak : public Tree {
  EPIC_ENTITY(Oak, base(Tree))
};
class Fox : public Entity {
  EPIC_ENTITY(Fox, together(Squirrel))
};
class Kite : public Entity {
  EPIC_ENTITY(Kite, together(Sky))
};
class Cloud : public Entity {
  EPIC_ENTITY(Cloud, together(Sky))
};
}  // namespace park

template <class... Class>
const ModuleInfo& module_of() {
  static const EntityInfoFn entities[] = {&Class::epic_info...};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

}  // namespace

TEST_CASE("placement groups: a group is named by a class, by any of its names, and has its stored one", "[kernel]") {
  CHECK(groups_of(module_of<park::Bench, park::Pigeon, park::Squirrel>()) ==
        PlacementGroups{{"Dove", "Bank"}, {"Squirrel", "Bank"}});
  CHECK(groups_of(module_of<park::Walker>()) == PlacementGroups{{"Walker", "Path"}});  // which is no class of it
  CHECK(groups_of(module_of<park::Kite, park::Cloud>()) == PlacementGroups{{"Kite", "Sky"}, {"Cloud", "Sky"}});
}

TEST_CASE("placement groups: together with itself is on its own, and a base's group is inherited", "[kernel]") {
  CHECK(groups_of(module_of<park::Tree>())->empty());
  CHECK(groups_of(module_of<park::Tree, park::Oak>()) == PlacementGroups{{"Oak", "Tree"}});
}

TEST_CASE("placement groups: a group whose class is in another one is refused, with what to write", "[kernel]") {
  const auto groups = groups_of(module_of<park::Bench, park::Squirrel, park::Fox>());
  REQUIRE_FALSE(groups);
  CHECK(groups.error() ==
        "Fox is together(Squirrel), but Squirrel itself is together(Bank): write together(Bank) for Fox, too");
  TypeTable types;
  CHECK(types.add(module_of<park::Bench, park::Squirrel, park::Fox>()).error() == groups.error());
}

TEST_CASE("placement groups: keys with a tag are where the group's are, those without stay", "[kernel]") {
  const Placement placement = placement_for(module_of<park::Bench, park::Pigeon, park::Squirrel>(), 1000);
  const ShardId shard = placement.shard_of("Bank", "{north}");
  CHECK(placement.shard_of("Dove", "{north}:7") == shard);
  CHECK(placement.shard_of("Squirrel/a{north}b") == shard);
  CHECK(placement.shard_of("Bank/north") == shard);
  CHECK(placement.shard_of("Fox", "{north}") != shard);  // not of the module
  CHECK(placement.shard_of("Dove", "{south}") == placement.shard_of("Bank/{south}"));

  const Placement before = ungrouped(1000);
  CHECK(before.shard_of("Dove", "{north}:7") != shard);
  for (const char* key : {"north", "7", "", "{}", "a{b"}) {
    CHECK(placement.shard_of("Dove", key) == before.shard_of("Dove", key));
    CHECK(placement.shard_of(std::string("Dove/") + key) == before.shard_of("Dove", key));
  }
  CHECK(placement != before);
}

TEST_CASE("placement groups: a module fits a store that has its classes in the same groups", "[kernel]") {
  const ModuleInfo& module = module_of<park::Bench, park::Pigeon>();
  CHECK(check_groups(module, placement_for(module, 8)));
  CHECK(check_groups(module, Placement(8, {{"Dove", "Bank"}, {"Squirrel", "Bank"}})));  // a class of an older module
  CHECK(check_groups(module_of<park::Bench>(), ungrouped(8)));

  const auto missing = check_groups(module, ungrouped(8));
  REQUIRE_FALSE(missing);
  CHECK_THAT(missing.error(),
             Catch::Contains("class Bird is together(Bank) in the module, but on its own in the store") &&
                 Catch::Contains("`epic reshard --groups`"));
  const auto other = check_groups(module, Placement(8, {{"Dove", "Sky"}}));
  REQUIRE_FALSE(other);
  CHECK_THAT(other.error(), Catch::Contains("together(Bank) in the module, but together(Sky) in the store"));
  const auto too_much = check_groups(module, Placement(8, {{"Dove", "Bank"}, {"Bank", "Sky"}}));
  REQUIRE_FALSE(too_much);
  CHECK_THAT(too_much.error(), Catch::Contains("class Seat is on its own in the module, but together(Sky)"));
}
