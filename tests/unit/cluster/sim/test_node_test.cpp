#include "epic/testing.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

class Till : public epic::Entity {
  std::int64_t money = 0;
  std::int64_t visits = 0;  // not state: starts afresh with each activation

 public:
  epic::Task<std::int64_t> pay_in(std::int64_t amount) {
    ++visits;
    if (amount < 0) throw std::invalid_argument("amounts are positive");
    money += amount;
    epic::log::info("now {}", money);
    co_return money;
  }
  epic::Task<std::int64_t> pay_in_later(std::int64_t amount) {
    co_await epic::sleep(1h);
    co_return money += amount;
  }
  epic::Task<void> announce_later() {
    co_await epic::sleep(10s);
    epic::log::info("ten seconds later");
  }
  epic::Task<void> start_announcing() {
    epic::spawn(self()->announce_later());
    co_return;
  }
  epic::Task<void> count_seconds() {
    while (true) {
      co_await epic::sleep(1s);
      ++money;
    }
  }
  epic::Task<void> start_counting() {
    epic::spawn(self()->count_seconds());
    co_return;
  }
  epic::Task<void> linger() {
    try {
      co_await epic::sleep(30s);
    } catch (const epic::Error&) {
    }
    co_await epic::sleep(30s);
  }
  epic::Task<void> start_lingering() {
    epic::spawn(self()->linger());
    co_return;
  }
  epic::Task<std::int64_t> get_visits() const { co_return visits; }
  epic::Task<std::int64_t> get_money_of(epic::Ref<Till> other) const { co_return co_await other->get_money(); }
  epic::Task<std::int64_t> get_money() const { co_return money; }
  epic::Task<std::uint64_t> roll() const { co_return epic::random(); }
  epic::Task<epic::ActivationCause> get_cause() const { co_return epic::activation_cause(); }

  EPIC_ENTITY(Till, state(money),
              methods(get_cause, pay_in, pay_in_later, announce_later, start_announcing, count_seconds, start_counting,
                      linger, start_lingering, get_visits, get_money_of, get_money, roll))
};

epic::Task<void> fill_first(epic::Pool pool) { co_await pool.get<Till>("first")->pay_in(7); }
epic::Task<void> fail_always(epic::Pool) {
  throw std::runtime_error("no luck");
  co_return;
}

constexpr epic::EntityInfoFn kEntities[] = {&Till::epic_info};
constexpr epic::EntityInfoFn kTwins[] = {&Till::epic_info, &Till::epic_info};
const epic::ModuleInfo kModule{EPIC_ABI_TAG, kEntities, &fill_first};
const epic::ModuleInfo kFailingModule{EPIC_ABI_TAG, kEntities, &fail_always};
const epic::ModuleInfo kTwinModule{EPIC_ABI_TAG, kTwins, &fill_first};

}  // namespace

TEST_CASE("test node: a call has a result, and entities call each other", "[sim]") {
  epic::testing::Node node(kModule);
  auto till = node.get<Till>("a");

  CHECK(node.call(till->pay_in(5)) == 5);
  CHECK(node.call(node.get<Till>(7)->get_money_of(till)) == 5);
}

TEST_CASE("test node: a method's exception arrives as it was thrown", "[sim]") {
  epic::testing::Node node(kModule);

  CHECK_THROWS_AS(node.call(node.get<Till>("a")->pay_in(-1)), std::invalid_argument);
}

TEST_CASE("test node: an hour's sleep takes no time, but passes on the node's clock", "[sim]") {
  epic::testing::Node node(kModule);
  auto till = node.get<Till>("a").with(2h);

  CHECK(node.call(till->pay_in_later(3)) == 3);
}

TEST_CASE("test node: a call that takes longer than its deadline times out", "[sim]") {
  epic::testing::Node node(kModule);

  CHECK_THROWS_AS(node.call(node.get<Till>("a").with(1s)->pay_in_later(3)), epic::Timeout);
}

TEST_CASE("test node: saved state survives a restart and a crash, the rest does not", "[sim]") {
  epic::testing::Node node(kModule);
  auto till = node.get<Till>("a");
  node.call(till->pay_in(5));

  node.restart();
  CHECK(node.call(till->get_money()) == 5);
  CHECK(node.call(till->get_visits()) == 0);

  node.call(till->pay_in(6));
  node.crash();
  CHECK(node.call(till->get_money()) == 11);
}

TEST_CASE("test node: an entity knows why it is in memory anew", "[sim]") {
  using epic::ActivationCause;
  epic::testing::Node node(kModule);
  const auto till = node.get<Till>("a");
  CHECK(node.call(till->get_cause()) == ActivationCause::first);
  node.call(till->pay_in(1));
  node.restart();
  CHECK(node.call(till->get_cause()) == ActivationCause::moved);
  node.crash();
  CHECK(node.call(till->get_cause()) == ActivationCause::crashed);
  node.restart();
  CHECK(node.call(till->get_cause()) == ActivationCause::moved);
  node.pass(1h);  // idle
  CHECK(node.call(till->get_cause()) == ActivationCause::collected);
}

TEST_CASE("test node: passing time runs what is due, and nothing that is due later", "[sim]") {
  epic::testing::Node node(kModule);
  node.call(node.get<Till>("a")->start_announcing());

  node.pass(9s);
  CHECK(node.log().empty());
  node.pass(1s);
  REQUIRE(node.log().size() == 1);
  CHECK(node.log()[0].message == "ten seconds later");
}

TEST_CASE("test node: timers are not late", "[sim]") {
  epic::testing::Node node(kModule);
  auto till = node.get<Till>("a");
  node.call(till->start_counting());

  node.pass(10s);
  CHECK(node.call(till->get_money()) == 10);
  node.pass(20s);
  CHECK(node.call(till->get_money()) == 30);
}

TEST_CASE("test node: years pass in no time", "[sim]") {
  epic::testing::Node node(kModule);
  auto till = node.get<Till>("a");
  const auto begun = std::chrono::steady_clock::now();
  for (int year = 0; year < 10; ++year) {
    node.call(till->pay_in(1));
    node.pass(365 * 24h);
  }
  CHECK(std::chrono::steady_clock::now() - begun < 10s);  // takes some milliseconds
  CHECK(node.call(till->get_money()) == 10);
  node.crash();
  CHECK(node.call(till->get_money()) == 10);
}

TEST_CASE("test node: a restart ends what still runs after its grace, and works again and again", "[sim]") {
  epic::testing::Node node(kModule);
  auto till = node.get<Till>("a");
  for (int i = 1; i <= 3; ++i) {
    node.call(till->pay_in(1));
    node.call(till->start_announcing());
    node.call(till->start_lingering());
    node.restart();
    CHECK(node.call(till->get_money()) == i);
  }
  node.pass(1h);
  for (const auto& line : node.log()) CHECK(line.message != "ten seconds later");  // nor is it waited for
}

TEST_CASE("test node: a module that cannot be loaded is an error that says why", "[sim]") {
  CHECK_THROWS_WITH(epic::testing::Node(kTwinModule), Contains("Till"));
}

TEST_CASE("test node: log lines name the entity that wrote them", "[sim]") {
  epic::testing::Node node(kModule);
  node.call(node.get<Till>("a")->pay_in(5));

  REQUIRE(node.log().size() == 1);
  CHECK(node.log()[0].entity == "Till/a");
  CHECK(node.log()[0].message == "now 5");
}

TEST_CASE("test node: setup runs, and its exception reaches the test", "[sim]") {
  epic::testing::Node node(kModule);
  node.run_setup();
  CHECK(node.call(node.get<Till>("first")->get_money()) == 7);

  epic::testing::Node failing(kFailingModule);
  CHECK_THROWS_WITH(failing.run_setup(), Contains("no luck"));
}

TEST_CASE("test node: chance is the same in every run, and goes on after a restart", "[sim]") {
  epic::testing::Node one(kModule);
  epic::testing::Node other(kModule);
  const std::uint64_t first = one.call(one.get<Till>("a")->roll());
  const std::uint64_t second = one.call(one.get<Till>("b")->roll());
  CHECK(first != second);
  CHECK(other.call(other.get<Till>("a")->roll()) == first);
  CHECK(other.call(other.get<Till>("b")->roll()) == second);
  other.restart();
  CHECK(other.call(other.get<Till>("a")->roll()) != first);
}
