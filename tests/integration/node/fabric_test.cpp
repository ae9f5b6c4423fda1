// Real nodes under a real supervisor: calls between them, what survives a crash, what the inspector shows.

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <future>
#include <iostream>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "epic/client.hpp"
#include "integration/modules/forks.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"
#include "support/sanitizers.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using probe::Counter;
using probe::Hoard;
using probe::Relay;
namespace json = boost::json;

namespace {

std::vector<epic::Ref<Counter>> counters(int count) {
  std::vector<epic::Ref<Counter>> refs;
  for (int i = 0; i < count; ++i) refs.emplace_back(i);
  return refs;
}

/// Connects to a node's socket without being a peer or client.
class Stranger {
 public:
  explicit Stranger(const std::filesystem::path& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const timeval timeout{.tv_sec = 30, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger() { ::close(socket_); }

  void say(std::string_view bytes) { REQUIRE(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0); }
  /// True once the other side has closed the connection.
  bool is_cut_off() {
    char bytes[4096];
    while (true) {
      const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
      if (count == 0 || (count < 0 && errno == ECONNRESET)) return true;
      if (count < 0) return false;
    }
  }

 private:
  int socket_;
};

}  // namespace

TEST_CASE("fabric: an entity calls others on every node, and a client gets the sum", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 4)};
  fabric.wait_for("ready 4 nodes");
  const Client client = Client::connect(project.path().string());
  CHECK(client.call(client.get<Relay>("r")->add_to(counters(40), 5)) == 200);
  CHECK(client.call(client.get<Relay>("s")->add_to(counters(40), 5)) == 400);

  std::set<std::string> nodes;
  for (const auto& entity : fabric.stream("ls", {{"type", "Counter"}}))
    nodes.insert(std::string(entity.at("node").as_string()));
  CHECK(nodes.size() == 4);
}

TEST_CASE("fabric: calls that a node's buffers cannot take wait for room", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  constexpr std::uint64_t kCount = 1'000;
  constexpr std::uint64_t kBytes = 200'000;  // 100 MB to the other node, and 64 MiB is what a buffer takes
  CHECK(client.call(client.get<Relay>("r").with(100s)->weigh_at_once(kCount, kBytes)) == kCount * kBytes);
}

TEST_CASE("fabric: an acknowledged result survives the death of every process", "[node]") {
  const ProjectDirectory project;
  std::vector<pid_t> pids;
  {
    Supervised fabric{project, "unused", real_nodes("probe", 2)};
    fabric.wait_for("ready 2 nodes");
    const Client client = Client::connect(project.path().string());
    for (int i = 0; i < 20; ++i) CHECK(client.call(client.get<Counter>(i)->add(i)) == i);
    CHECK(client.call(client.get<Counter>(7)->add(1)) == 8);
    pids = fabric.list_node_pids();
    fabric.signal(SIGKILL);
    CHECK(fabric.wait_for_end() == 128 + SIGKILL);
  }
  for (const pid_t pid : pids) epic::test::wait_for_death(pid);

  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  for (int i = 0; i < 20; ++i) CHECK(client.call(client.get<Counter>(i)->get()) == (i == 7 ? 8 : i));
}

TEST_CASE("fabric: an ordered stop saves everything and leaves nothing behind", "[node][threads]") {
  const ProjectDirectory project;
  {
    Supervised fabric{project, "unused", real_nodes("probe", 2)};
    fabric.wait_for("ready 2 nodes");
    for (int i = 0; i < 10; ++i) fabric.call("Counter/" + std::to_string(i), "add", {i});
    fabric.signal(SIGTERM);
    CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
    CHECK(project.list_left_behind().empty());
  }
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  for (int i = 0; i < 10; ++i) {
    const json::object stored = fabric.ask("inspect", {{"entity", "Counter/" + std::to_string(i)}});
    CHECK(stored.at("live") == false);
    CHECK(stored.at("state").at("value") == i);
  }
}

TEST_CASE("fabric: a stop waits for calls that continue on otherwise idle nodes", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("forks", 4)};
  fabric.wait_for("ready 4 nodes");
  const Client client = Client::connect(project.path().string());
  std::vector<epic::Ref<forks::Fork>> others;
  for (int i = 1; i < 40; ++i) others.emplace_back(i);
  std::promise<std::string> ended;
  client.async_call(client.get<forks::Fork>(0)->take(others, 200ms), [&](epic::CallResult<std::string> result) {
    try {
      ended.set_value(result.get());
    } catch (...) {
      ended.set_exception(std::current_exception());
    }
  });
  fabric.wait_for_ps("the call runs", [](const json::object& ps) {
    return std::ranges::any_of(ps.at("nodes").as_array(),
                               [](const json::value& node) { return node.at("calls") == 1; });
  });
  fabric.signal(SIGTERM);
  CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
  CHECK(ended.get_future().get() == "ok");
}

TEST_CASE("fabric: a stop ends calls that run too long, and the nodes still exit in order", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1, [](auto& options) { options.fabric.grace = 1s; })};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  std::promise<void> ended;
  client.async_call(client.get<Relay>("r")->sleep_for_ms(60'000), [&](epic::CallResult<void> result) {
    try {
      result.get();
      ended.set_value();
    } catch (...) {
      ended.set_exception(std::current_exception());
    }
  });
  fabric.wait_for_ps("the call runs", [](const json::object& ps) { return ps.at("nodes").at(0).at("calls") == 1; });
  fabric.signal(SIGTERM);
  CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
  CHECK_THROWS_AS(ended.get_future().get(), epic::NodeLost);  // it had started
}

TEST_CASE("fabric: when a node is killed, every call ends and nothing acknowledged is lost",
          "[node][threads][memory]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string(), {.call_timeout = 20s});
  constexpr int kCounters = 60, kRounds = 60;
  std::vector<int> acknowledged(kCounters), unknown(kCounters), refused(kCounters);
  std::mutex mutex;
  std::condition_variable changed;
  int open = 0;
  const auto is_over = [&] { return open == 0; };
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kCounters; ++i) {
      {
        const std::lock_guard lock(mutex);
        ++open;
      }
      client.async_call(client.get<Counter>(i)->add(1), [&, i](epic::CallResult<std::int64_t> result) {
        const std::lock_guard lock(mutex);
        try {
          result.get();
          ++acknowledged[static_cast<std::size_t>(i)];
        } catch (const epic::Unavailable&) {
          ++refused[static_cast<std::size_t>(i)];
        } catch (const epic::Error&) {
          ++unknown[static_cast<std::size_t>(i)];
        }
        if (--open == 0) changed.notify_one();
      });
    }
    if (round == kRounds / 3) ::kill(fabric.list_node_pids()[1], SIGKILL);
    std::unique_lock lock(mutex);
    if (round % 3 == 0) REQUIRE(changed.wait_for(lock, 40s, is_over));
  }
  {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, 40s, is_over));
  }
  int sum = 0;
  for (int i = 0; i < kCounters; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t value = client.call(client.get<Counter>(i)->get());
    CAPTURE(i, acknowledged[at], unknown[at], refused[at], value);
    CHECK(value >= acknowledged[at]);
    CHECK(value <= acknowledged[at] + unknown[at]);
    sum += acknowledged[at];
  }
  CHECK(sum > kCounters * kRounds / 2);
}

TEST_CASE("fabric: a node closes a connection that sends garbage, and keeps running", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  const auto socket = project.path() / ".epic" / "run" / "node-1.sock";
  Stranger stranger{socket};
  stranger.say("GET / HTTP/1.1\r\n\r\n");
  CHECK(stranger.is_cut_off());
  fabric.wait_for("not an epic frame");
  Stranger silent{socket};
  CHECK(fabric.call("Counter/1", "add", {2}).at("result") == 2);
}

TEST_CASE("fabric: a long turn is reported while it runs, with entity and method", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused",
                    real_nodes("probe", 1, [](auto& options) { options.fabric.turn_report = 200ms; })};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  client.async_call(client.get<Relay>("busy")->spin_for_ms(1500), [](auto) {});
  CHECK_THAT(fabric.wait_for("a turn of spin_for_ms"), Catch::Contains("Relay/busy"));
}

TEST_CASE("fabric: inspect distinguishes live from stored entities, and activates neither", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2, [](auto& options) { options.fabric.idle_age = 1ms; })};
  fabric.wait_for("ready 2 nodes");
  CHECK(fabric.ask_in_vain("inspect", {{"entity", "Counter/new"}}).code == epic::cluster::ControlErrorCode::not_found);
  fabric.call("Counter/a", "add", {5});
  json::object stored = fabric.ask("inspect", {{"entity", "Counter/a"}});
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (stored.at("live") == true && std::chrono::steady_clock::now() < deadline)  // until it is deactivated
    stored = fabric.ask("inspect", {{"entity", "Counter/a"}});
  CHECK(stored.at("live") == false);
  CHECK(stored.at("version") == 1);
  CHECK(stored.at("state").at("value") == 5);
  CHECK(stored.at("saved_at").is_string());
  CHECK(fabric.stream("ls").size() == 1);
  CHECK(fabric.stream("ls", {{"source", "live"}}).empty());
  CHECK(fabric.stream("ls", {{"type", "Hoard"}}).empty());
}

TEST_CASE("fabric: inspect shows a live entity's calls", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  client.async_call(client.get<Relay>("r")->sleep_for_ms(5'000), [](auto) {});
  fabric.wait_for_ps("the call runs", [](const json::object& ps) {
    return ps.at("nodes").at(0).at("calls") == 1 || ps.at("nodes").at(1).at("calls") == 1;
  });
  const json::object live = fabric.ask("inspect", {{"entity", "Relay/r"}});
  CHECK(live.at("live") == true);
  CHECK(live.at("saved_at").is_null());
  REQUIRE(live.at("calls").as_array().size() == 1);
  CHECK(live.at("calls").at(0).at("method") == "sleep_for_ms");
  CHECK(live.at("calls").at(0).at("state") == "sleeping");
  fabric.call("Counter/c", "add", {1});
  const json::object saved = fabric.ask("inspect", {{"entity", "Counter/c"}});
  CHECK(saved.at("live") == true);
  CHECK(saved.at("saved_at").is_string());
}

TEST_CASE("fabric: calls by name take JSON, and report what is wrong with it", "[node]") {
  using epic::cluster::ControlErrorCode;
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  CHECK(fabric.call("Relay/r", "echo", {"hällo"}).at("result") == "hällo");
  const auto fail = [&](json::object body) { return fabric.ask_in_vain("call", std::move(body)); };

  const auto type = fail({{"entity", "Conter/a"}, {"method", "add"}, {"args", {1}}});
  CHECK(type.code == ControlErrorCode::not_found);
  CHECK_THAT(type.message, Catch::Contains("did you mean 'Counter'"));
  const auto method = fail({{"entity", "Counter/a"}, {"method", "ad"}, {"args", {1}}});
  CHECK(method.code == ControlErrorCode::not_found);
  CHECK_THAT(method.message, Catch::Contains("did you mean 'add'"));
  CHECK(fail({{"entity", "Counter/a"}, {"method", "add"}, {"args", {1, 2}}}).code == ControlErrorCode::bad_request);
  CHECK(fail({{"entity", "Counter/a"}, {"method", "add"}, {"args", {"x"}}}).code == ControlErrorCode::bad_request);
  const auto thrown = fail({{"entity", "Relay/r"}, {"method", "refuse"}, {"args", {"no"}}});
  CHECK(thrown.code == ControlErrorCode::failed);
  CHECK(thrown.detail.error == "call_failed");
  CHECK(thrown.detail.exception == "probe::Refused");
  const auto late = fail({{"entity", "Relay/r"}, {"method", "sleep_for_ms"}, {"args", {5000}}, {"timeout_ms", 50}});
  CHECK(late.detail.error == "timeout");
  CHECK(fabric.ask("types").at("types").as_array().size() == 9);
}

TEST_CASE("fabric: large arguments are accepted, and state that is too large is refused and undone", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 4)};
  fabric.wait_for("ready 4 nodes");
  const Client client = Client::connect(project.path().string());
  const std::string large(1u << 20, 'x');
  for (int i = 0; i < 8; ++i) CHECK(client.call(client.get<Relay>(i)->echo(large)) == large);
  CHECK(client.call(client.get<Hoard>("h")->put(1u << 20)) == 1u << 20);
  CHECK_THROWS_AS(client.call(client.get<Hoard>("h")->put(9u << 20)), epic::StateTooLarge);
  CHECK(client.call(client.get<Hoard>("h")->weigh()) == 1u << 20);
  CHECK_THROWS_AS(client.call(client.get<Relay>("r")->echo(std::string(17u << 20, 'x'))), epic::BadArguments);
}

TEST_CASE("fabric: large results and states are answered as JSON, and those that no answer holds by their size",
          "[node][large]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  const auto nodes = fabric.list_node_pids();
  CHECK(fabric.call("Relay/r", "fill", {1'000'000}).at("result").as_string() == std::string(1'000'000, 'x'));
  const json::array numbers = fabric.call("Relay/r", "count_to", {200'000}).at("result").as_array();
  REQUIRE(numbers.size() == 200'000);
  CHECK(numbers.back() == 200'000);
  CHECK(fabric.call("Hoard/h", "put", {1'000'000}).at("result") == 1'000'000);
  const json::object live = fabric.ask("inspect", {{"entity", "Hoard/h"}});
  CHECK(live.at("live") == true);
  CHECK(live.at("state").at("gold").as_string().size() == 1'000'000);

  const auto text = fabric.ask_in_vain("call", {{"entity", "Relay/r"}, {"method", "fill"}, {"args", {64'000'000}}});
  CHECK_THAT(text.message, Catch::Contains("at least 64000002 bytes as JSON, and the limit of a running fabric is "
                                           "62914560"));
  if (!epic::test::kIsSanitized) {  // there it takes longer than an answer may
    const auto list =
        fabric.ask_in_vain("call", {{"entity", "Relay/r"}, {"method", "count_to"}, {"args", {8'100'000}}});
    CHECK_THAT(list.message, Catch::Contains("the answer has 63688908 bytes as JSON"));
  }
  CHECK(fabric.call("Counter/c", "add", {1}).at("result") == 1);
  CHECK(fabric.list_node_pids() == nodes);
}

TEST_CASE("fabric: an idle node is small", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 4)};
  fabric.wait_for("ready 4 nodes");
  const json::object ps = fabric.wait_for_ps("heartbeats", [](const json::object& state) {
    return state.at("nodes").at(3).at("resident_bytes").to_number<std::uint64_t>() > 0;
  });
  std::vector<double> mib;
  for (const auto& node : ps.at("nodes").as_array()) {
    mib.push_back(node.at("resident_bytes").to_number<double>() / (1 << 20));
    std::cout << node.at("node").as_string().c_str() << ": " << mib.back() << " MiB resident\n";
  }
#ifdef NDEBUG
  std::ranges::sort(mib);
  CHECK(mib[2] < 15);  // a thread that waits for a lock of malloc gets an arena of its own
#endif
}

TEST_CASE("fabric: a node drained under load hands over its shards, and no call is lost", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 3)};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  constexpr int kCounters = 60;
  std::atomic<bool> is_over = false;
  std::vector<std::int64_t> sums(kCounters);
  std::string failure;
  std::jthread load([&] {
    try {
      while (!is_over)
        for (int i = 0; i < kCounters; ++i) {
          const std::int64_t sum = client.call(client.get<Counter>(i)->add(1));
          if (sum != ++sums[static_cast<std::size_t>(i)]) failure = "an increment was lost, or made twice";
        }
    } catch (const std::exception& error) {
      failure = error.what();
    }
  });
  fabric.ask("drain", {{"node", "node-2"}});
  const json::object drained = fabric.ask("ps");
  CHECK(drained.at("nodes").at(1).at("state") == "stopped");
  CHECK(drained.at("nodes").at(1).at("shards") == 0);
  fabric.ask("scale", {{"nodes", 4}});
  fabric.wait_until_level();
  fabric.ask("scale", {{"nodes", 1}});
  is_over = true;
  load.join();
  CHECK(failure == "");
  for (int i = 0; i < kCounters; ++i)
    CHECK(client.call(client.get<Counter>(i)->get()) == sums[static_cast<std::size_t>(i)]);
  const json::object ps = fabric.ask("ps");
  CHECK(ps.at("nodes").as_array().size() == 1);  // nodes removed by scale are no longer listed
  CHECK(ps.at("nodes").at(0).at("shards") == 64);
  CHECK_THAT(fabric.ask_in_vain("drain", {{"node", "node-1"}}).message, Catch::Contains("the only node"));
  CHECK(fabric.ask_in_vain("scale", {{"nodes", 0}}).code == epic::cluster::ControlErrorCode::bad_request);
  CHECK(fabric.ask_in_vain("drain", {{"node", "node-9"}}).code == epic::cluster::ControlErrorCode::not_found);
}

TEST_CASE("fabric: a short pause is harmless, a long one ends the node", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2, [](auto& options) { options.silence_max = 2s; })};
  fabric.wait_for("ready 2 nodes");
  for (int i = 0; i < 10; ++i) fabric.call("Counter/" + std::to_string(i), "add", {i});

  fabric.ask("pause", {{"node", "node-1"}});
  CHECK(fabric.ask("ps").at("nodes").at(0).at("state") == "paused");
  fabric.ask("resume", {{"node", "node-1"}});
  for (int i = 0; i < 10; ++i) CHECK(fabric.call("Counter/" + std::to_string(i), "get", {}).at("result") == i);
  CHECK(fabric.ask("ps").at("nodes").at(0).at("restarts") == 0);

  fabric.ask("pause", {{"node", "node-1"}});
  fabric.wait_for("node-1 has been silent for more than");
  fabric.wait_for_ps("it is started again", [](const json::object& ps) {
    return ps.at("nodes").at(0).at("restarts") == 1 && ps.at("nodes").at(0).at("state") == "ready";
  });
  for (int i = 0; i < 10; ++i) CHECK(fabric.call("Counter/" + std::to_string(i), "get", {}).at("result") == i);

  fabric.ask("kill", {{"node", "node-2"}});
  const json::object ps = fabric.wait_for_ps("it is started again", [](const json::object& state) {
    return state.at("nodes").at(1).at("restarts") == 1 && state.at("nodes").at(1).at("state") == "ready";
  });
  CHECK_THAT(ps.at("nodes").at(1).at("last_exit").as_string().c_str(), Catch::Contains("epic kill"));
  for (int i = 0; i < 10; ++i) CHECK(fabric.call("Counter/" + std::to_string(i), "get", {}).at("result") == i);
}
