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
  EPIC_ENTITY(Gardener, state(days_), methods(plan, work, days))
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
