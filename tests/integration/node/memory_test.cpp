// The memory of a node's process: what counts against its budget, and what returns to the system after a burst.

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "epic/client.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Ballast;
namespace json = boost::json;

// A sanitizer has an allocator of its own.
#if !defined(__has_feature) || (!__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer))

namespace {

constexpr std::uint64_t kMiB = 1u << 20;

struct MemoryFixture {
  ProjectDirectory project;
  Supervised fabric;
  Client client;

  explicit MemoryFixture(std::uint64_t budget_bytes = 0)
      : fabric(project, "unused",
               real_nodes("probe", 1, [=](auto& options) { options.fabric.memory_budget_bytes = budget_bytes; })),
        client((fabric.wait_for("ready 1 nodes"), Client::connect(project.path().string()))) {}

  std::uint64_t of_node(std::string_view field) {
    return fabric.ask("ps").at("nodes").at(0).at(field).to_number<std::uint64_t>();
  }
  /// As a caller does that tries again.
  template <class Call>
  bool is_taken(Call&& call) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (std::chrono::steady_clock::now() < until) try {
        call();
        return true;
      } catch (const epic::Overloaded&) {
      }
    return false;
  }
  /// Until the heartbeats say so.
  template <class Condition>
  bool comes_to(std::string_view field, Condition&& condition) {
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (std::chrono::steady_clock::now() < until)
      if (condition(of_node(field))) return true;
    UNSCOPED_INFO(field << " stays at " << of_node(field));
    return false;
  }
};

}  // namespace

TEST_CASE("memory: what no table shows counts against the budget, and idle entities make room", "[node]") {
  MemoryFixture f(64 * kMiB);
  for (int i = 0; i < 60; ++i)
    REQUIRE(f.is_taken([&] { f.client.call(f.client.get<Ballast>(std::to_string(i))->load(1, 4 * kMiB)); }));
  CHECK(f.comes_to("entities", [](std::uint64_t entities) { return entities < 20; }));
  CHECK(f.of_node("entities") > 0);
}

TEST_CASE("memory: far above the budget new calls are refused until there is room again", "[node]") {
  MemoryFixture f(64 * kMiB);
  const Client& client = f.client;
  std::jthread holder([&] { client.call(client.get<Ballast>("heavy")->carry(120 * kMiB, 3'000)); });
  const auto use = [&] { client.call(client.get<Ballast>("light")->unload()); };
  bool was_refused = false;
  for (int i = 0; i < 5'000 && !was_refused; ++i) try {
      use();
    } catch (const epic::Overloaded& error) {
      CHECK_THAT(error.what(), Catch::Contains("memory_budget is 64 MiB"));
      was_refused = true;
    }
  CHECK(was_refused);
  holder.join();
  CHECK(f.is_taken(use));
}

TEST_CASE("memory: after a burst of calls or of state a node's memory is the system's again", "[node]") {
  MemoryFixture f;
  const Client& client = f.client;
  client.call(client.get<Ballast>("a")->unload());
  const std::uint64_t before = f.of_node("resident_bytes");
  const auto check_returns = [&](auto&& end) {
    REQUIRE(f.comes_to("resident_bytes", [&](std::uint64_t bytes) { return bytes > before + 150 * kMiB; }));
    end();
    CHECK(f.comes_to("resident_bytes", [&](std::uint64_t bytes) { return bytes < before + 75 * kMiB; }));
  };
  SECTION("calls") {
    client.call(client.get<Ballast>("a")->crowd(600'000, 4'000));
    check_returns([] {});
  }
  SECTION("state, with something small above it") {
    client.call(client.get<Ballast>("a")->load(400'000, 500));
    client.call(client.get<Ballast>("b")->load(1'000, 500));
    check_returns([&] { client.call(client.get<Ballast>("a")->unload()); });
  }
}

#endif
