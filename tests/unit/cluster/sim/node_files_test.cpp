// epic::read_file and the like on a node in a test.

#include <catch2/catch.hpp>

#include "epic/testing.hpp"

namespace {

class Gardener : public epic::Entity {
  std::int64_t days_ = 0;

 public:
  epic::Task<std::string> plan() const { co_return co_await epic::read_file("plans/spring"); }
  epic::Task<void> work() {
    ++days_;
    co_await epic::write_file("reports/day", std::to_string(days_));
  }
  epic::Task<std::int64_t> days() const { co_return days_; }
  /// In a file that stays open.
  epic::Task<void> harvest(std::int64_t count) {
    ++days_;
    if (!harvest_.is_open()) harvest_ = co_await epic::open("harvest", epic::FileMode::append);
    co_await harvest_.write(std::to_string(count) + "\n");
  }
  epic::Task<std::uint64_t> harvest_bytes() { co_return co_await harvest_.size(); }
  EPIC_ENTITY(Gardener, state(days_), methods(plan, work, days, harvest, harvest_bytes))

 private:
  epic::File harvest_;
};

const epic::ModuleInfo& gardeners() {
  static const epic::EntityInfoFn entities[] = {&Gardener::epic_info};
  static const epic::ModuleInfo info{EPIC_ABI_TAG, entities, &epic::no_setup};
  return info;
}

}  // namespace

TEST_CASE("test node: files are in memory, and stay when the node crashes", "[sim]") {
  epic::testing::Node node(gardeners());
  const auto gardener = node.get<Gardener>("Ann");
  CHECK_THROWS_WITH(node.call(gardener->plan()), Catch::Contains("plans/spring"));
  node.put_file("plans/spring", "roses");
  CHECK(node.call(gardener->plan()) == "roses");
  CHECK_FALSE(node.find_file("reports/day").has_value());
  node.call(gardener->work());
  node.crash();
  CHECK(node.find_file("reports/day") == "1");
  CHECK(node.call(gardener->days()) == 1);
}

TEST_CASE("test node: an open file has what was written before it is looked at, and is opened anew after a crash",
          "[sim]") {
  epic::testing::Node node(gardeners());
  const auto gardener = node.get<Gardener>("Ann");
  node.call(gardener->harvest(3));
  node.call(gardener->harvest(40));
  CHECK(node.call(gardener->harvest_bytes()) == 5);
  CHECK(node.find_file("harvest") == "3\n40\n");
  node.crash();
  node.call(gardener->harvest(5));
  CHECK(node.call(gardener->harvest_bytes()) == 7);
  CHECK(node.call(gardener->days()) == 3);
}
