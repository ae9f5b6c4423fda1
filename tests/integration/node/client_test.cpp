// epic::Client against a real fabric.

#include "epic/client.hpp"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <latch>
#include <mutex>
#include <numeric>
#include <thread>

#include "epic/list.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Counter;
using probe::Relay;

TEST_CASE("client: without a running fabric, it fails at once", "[client]") {
  const ProjectDirectory project;
  CHECK_THROWS_AS(Client::connect(project.path().string()), epic::Unavailable);
  CHECK_THROWS_WITH(Client::connect("/no/such/project"),
                    Catch::Contains("/no/such/project") && Catch::Contains("epic run"));
}

TEST_CASE("client: results, exceptions and timeouts arrive as they occurred on the callee's node", "[client]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  CHECK(client.call(client.get<Counter>("a")->add(4)) == 4);
  CHECK_NOTHROW(client.call(client.get<Counter>("a")->see(1)));
  try {
    client.call(client.get<Relay>("r")->refuse("not today"));
    FAIL("it did not throw");
  } catch (const epic::CallFailed& error) {
    CHECK(error.type_name() == "probe::Refused");
    CHECK(std::string(error.what()) == "not today");
  }
  CHECK_THROWS_AS(client.call(client.get<Relay>("r").with(50ms)->sleep_for_ms(60'000)), epic::Timeout);
}

TEST_CASE("client: calls to one entity start in the order in which they were made", "[client][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  std::vector<std::int64_t> expected;
  for (std::int64_t i = 0; i < 500; ++i) {
    expected.push_back(i);
    for (int key = 0; key < 4; ++key) client.async_call(client.get<Counter>(key)->see(i), [](auto) {});
  }
  for (int key = 0; key < 4; ++key) CHECK(client.call(client.get<Counter>(key)->list_seen()) == expected);
}

TEST_CASE("client: many threads share one connection", "[client][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([client, t] {
      for (int i = 0; i < 50; ++i) client.call(client.get<Counter>(t % 4)->add(1));
    });
  threads.clear();
  for (int key = 0; key < 4; ++key) CHECK(client.call(client.get<Counter>(key)->get()) == 100);
}

TEST_CASE("client: of calls that several threads make at once, each ends once, and those of a thread start in order",
          "[client][threads]") {
  constexpr std::int64_t kThreads = 4;
  constexpr std::int64_t kCalls = 500;  // of a thread
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  const auto counter = client.get<Counter>("shared");
  std::vector<std::atomic<int>> ends(kThreads * kCalls);
  std::atomic<int> failures = 0;
  std::latch ended(kThreads * kCalls);
  {
    std::vector<std::jthread> threads;
    for (std::int64_t t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (std::int64_t i = t * kCalls; i < (t + 1) * kCalls; ++i)
          client.async_call(counter->see(i), [&, i](const auto& result) {
            ++ends[static_cast<std::size_t>(i)];
            if (result.error()) ++failures;
            ended.count_down();
          });
      });
  }
  ended.wait();
  CHECK(failures == 0);
  CHECK(std::ranges::all_of(ends, [](const std::atomic<int>& count) { return count == 1; }));
  std::vector<std::vector<std::int64_t>> seen(kThreads);
  for (const std::int64_t i : client.call(counter->list_seen()))
    seen.at(static_cast<std::size_t>(i / kCalls)).push_back(i);
  for (std::int64_t t = 0; t < kThreads; ++t) {
    std::vector<std::int64_t> made(kCalls);
    std::iota(made.begin(), made.end(), t * kCalls);
    CHECK(seen[static_cast<std::size_t>(t)] == made);
  }
}

TEST_CASE("client: lists the entities of all nodes, in pages", "[client][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  std::vector<std::string> made;
  for (int i = 100; i < 150; ++i) {
    made.push_back("k" + std::to_string(i));
    client.call(client.get<Counter>(made.back())->add(1));
  }
  client.call(client.get<Counter>("another")->add(1));
  made.emplace_back("k150");
  client.call(client.get<Counter>(made.back())->get());  // in memory only

  std::vector<std::string> listed;
  epic::ListPage page;
  int pages = 0;
  do {
    page = client.call(epic::list<Counter>("k", {.after = page.next, .limit = 20}));
    listed.insert(listed.end(), page.keys.begin(), page.keys.end());
    ++pages;
  } while (!page.next.empty());
  CHECK(listed == made);
  CHECK(pages == 3);
}

TEST_CASE("client: finds the fabric again after a restart, and throws Unavailable meanwhile",
          "[client][threads][memory]") {
  const ProjectDirectory project;
  std::optional<Supervised> fabric;
  fabric.emplace(project, "unused", real_nodes("probe", 2));
  fabric->wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string(), {.call_timeout = 20s});
  CHECK(client.call(client.get<Counter>("a")->add(1)) == 1);
  fabric->signal(SIGTERM);
  CHECK(fabric->wait_for_end() == epic::cluster::kExitOk);
  // NodeLost if the call left before the loss of the connection was noticed, Unavailable after that.
  const auto noticed_by = std::chrono::steady_clock::now() + 20s;
  bool is_noticed = false;
  while (!is_noticed && std::chrono::steady_clock::now() < noticed_by) {
    try {
      client.call(client.get<Counter>("a")->get());
      FAIL("the call was answered although no fabric runs");
    } catch (const epic::NodeLost&) {
    } catch (const epic::Unavailable&) {
      is_noticed = true;
    }
  }
  CHECK(is_noticed);

  fabric.emplace(project, "unused", real_nodes("probe", 3));
  fabric->wait_for("ready 3 nodes");
  std::int64_t value = 0;
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (value == 0 && std::chrono::steady_clock::now() < deadline) {
    try {
      value = client.call(client.get<Counter>("a")->add(1));
    } catch (const epic::Error&) {  // until it has reconnected
    }
  }
  CHECK(value == 2);
}

TEST_CASE("client: pending calls end when the last Client is destroyed", "[client][threads][memory]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  std::promise<bool> is_unavailable;
  {
    const Client client = Client::connect(project.path().string());
    client.async_call(client.get<Relay>("r")->sleep_for_ms(60'000), [&](epic::CallResult<void> result) {
      try {
        result.get();
        is_unavailable.set_value(false);
      } catch (const epic::Unavailable&) {
        is_unavailable.set_value(true);
      }
    });
  }
  CHECK(is_unavailable.get_future().get());
}
