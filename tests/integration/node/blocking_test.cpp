// epic::blocking on real nodes: functions that block their thread, and what becomes of them when nodes stop and die.

#include <poll.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <mutex>
#include <semaphore>
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
using probe::Counter;
using probe::Kiln;
namespace json = boost::json;

namespace {

constexpr auto kBlockingTimeout = 30s;

std::vector<std::int64_t> numbers_in(const std::filesystem::path& file) {
  std::vector<std::int64_t> numbers;
  std::ifstream lines(file);
  for (std::int64_t number = 0; lines >> number;) numbers.push_back(number);
  return numbers;
}

void wait_for_lines(const std::filesystem::path& file, std::size_t count) {
  const auto until = std::chrono::steady_clock::now() + kBlockingTimeout;
  while (numbers_in(file).size() < count) {
    if (std::chrono::steady_clock::now() > until)
      FAIL(file << " has " << numbers_in(file).size() << " of " << count << " lines");
    ::poll(nullptr, 0, 5);
  }
}

}  // namespace

TEST_CASE("blocking: functions that wait hold up neither their node nor each other", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  constexpr int kWaiting = 10;
  std::counting_semaphore<> ended{0};
  for (int i = 0; i < kWaiting; ++i)
    client.async_call(client.get<Kiln>(i % 3)->fire_until("open"),
                      [&ended](epic::CallResult<void>) { ended.release(); });
  fabric.wait_for_ps("functions on other threads", [](const json::object& ps) {
    return ps.at("nodes").at(0).at("blocking").to_number<int>() == kWaiting;
  });
  for (int i = 1; i <= 20; ++i) CHECK(client.call(client.get<Counter>("a")->add(1)) == i);
  CHECK(client.call(client.get<Kiln>(0)->count()) == 0);
  const auto calls = fabric.ask("inspect", {{"entity", "Kiln/0"}}).at("calls").as_array();
  REQUIRE_FALSE(calls.empty());
  CHECK(calls.front().at("state").as_string() == "waiting for epic::blocking");
  CHECK_FALSE(ended.try_acquire());
  std::ofstream(project.path() / "open").put(' ');
  for (int i = 0; i < kWaiting; ++i) REQUIRE(ended.try_acquire_for(kBlockingTimeout));
  CHECK(client.call(client.get<Kiln>(0)->count()) == 4);
  fabric.wait_for_ps("none any more",
                     [](const json::object& ps) { return ps.at("nodes").at(0).at("blocking").to_number<int>() == 0; });
}

TEST_CASE("blocking: beyond the threads and the queue of epic.toml it is refused", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1, [](auto& options) {
                      options.fabric.blocking_threads = 2;
                      options.fabric.blocking_queue = 1;
                    })};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  std::counting_semaphore<> ended{0};
  for (int i = 0; i < 3; ++i)
    client.async_call(client.get<Kiln>(i)->fire_until("open"), [&ended](epic::CallResult<void> result) {
      result.get();
      ended.release();
    });
  fabric.wait_for_ps("three functions",
                     [](const json::object& ps) { return ps.at("nodes").at(0).at("blocking").to_number<int>() == 3; });
  CHECK_THROWS_AS(client.call(client.get<Kiln>(3)->fire_until("open")), epic::Overloaded);
  std::ofstream(project.path() / "open").put(' ');
  for (int i = 0; i < 3; ++i) REQUIRE(ended.try_acquire_for(kBlockingTimeout));
  client.call(client.get<Kiln>(3)->fire_until("open"));
}

TEST_CASE("blocking: what a function returns and throws reaches the caller", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  std::ofstream(project.path() / "clay") << "12345";
  CHECK(client.call(client.get<Kiln>("a")->size_of("clay")) == 5);
  CHECK_THROWS_WITH(client.call(client.get<Kiln>("a")->size_of("glaze")), Catch::Contains("glaze"));
}

TEST_CASE("blocking: a function that kills its node is named as its entity's", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  CHECK_THROWS_WITH(client.call(client.get<Kiln>("old")->explode()), Catch::Contains("while it ran Kiln/old.explode"));
  fabric.wait_for("while it ran Kiln/old.explode");
}

TEST_CASE("blocking: a stop lets a function end that nobody waits for, within the grace", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1)};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  client.call(client.get<Kiln>("a")->start_firing("stopping", 500, "pot"));
  wait_for_lines(project.path() / "pot.begun", 1);
  fabric.signal(SIGTERM);
  std::ofstream(project.path() / "stopping").put(' ');
  CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
  CHECK(numbers_in(project.path() / "pot").size() == 1);
}

TEST_CASE("blocking: a stop does not wait longer than the grace for a function that does not end", "[node][threads]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("probe", 1, [](auto& options) { options.fabric.grace = 1s; })};
  fabric.wait_for("ready 1 nodes");
  const Client client = Client::connect(project.path().string());
  client.call(client.get<Kiln>("a")->start_firing("never", 0, "pot"));
  wait_for_lines(project.path() / "pot.begun", 1);
  fabric.signal(SIGTERM);
  CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
  CHECK(numbers_in(project.path() / "pot").empty());
}

TEST_CASE("files: what entities of one node write, those of another read, below the project's folder", "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused",
                    real_nodes("probe", 3, [](auto& options) { options.fabric.files_folder = "var/files"; })};
  fabric.wait_for("ready 3 nodes");
  const Client client = Client::connect(project.path().string());
  client.call(client.get<Kiln>(1)->write("glazes/blue", "cobalt"));
  for (int i = 0; i < 12; ++i) CHECK(client.call(client.get<Kiln>(i)->read("glazes/blue")) == "cobalt");
  std::string content;
  std::ifstream(project.path() / "var/files/glazes/blue") >> content;
  CHECK(content == "cobalt");
  const std::string large(8u << 20, 'x');
  client.call(client.get<Kiln>(2)->write("large", large));
  CHECK(client.call(client.get<Kiln>(3)->read("large")) == large);
  CHECK(client.call(client.get<Kiln>(1)->remove("glazes/blue")));
  CHECK_THROWS_WITH(client.call(client.get<Kiln>(1)->read("glazes/blue")),
                    Catch::Contains("cannot read file: No such file or directory [glazes/blue]"));
  CHECK_THROWS_AS(client.call(client.get<Kiln>(1)->read("../.epic/state.sqlite")), std::invalid_argument);
  std::filesystem::create_symlink(project.path() / ".epic", project.path() / "var/files/link");
  CHECK_THROWS_AS(client.call(client.get<Kiln>(1)->read("link/state.sqlite")), std::runtime_error);
  CHECK_THROWS_AS(client.call(client.get<Kiln>(1)->write("link/new", "x")), std::runtime_error);
  CHECK_FALSE(std::filesystem::exists(project.path() / ".epic/new"));
}

TEST_CASE("blocking: when all processes die, nothing outside is ahead of the stored state", "[node]") {
  const ProjectDirectory project;
  const bool with_files = GENERATE(false, true);
  const std::string folder = with_files ? "data" : "";
  constexpr int kKilns = 4;
  std::vector<pid_t> pids;
  {
    Supervised fabric{project, "unused", real_nodes("probe", 2)};
    fabric.wait_for("ready 2 nodes");
    const Client client = Client::connect(project.path().string());
    const auto note = [&client, with_files](int kiln) {
      const auto ref = client.get<Kiln>(kiln);
      const std::string file = "notes-" + std::to_string(kiln);
      try {
        while (true) client.call(with_files ? ref.with(10s)->keep(file) : ref.with(10s)->note(file));
      } catch (const epic::Error&) {  // the fabric has died
      }
    };
    std::vector<std::jthread> threads;
    for (int kiln = 0; kiln < kKilns; ++kiln) threads.emplace_back(note, kiln);
    for (int kiln = 0; kiln < kKilns; ++kiln)
      wait_for_lines(project.path() / folder / ("notes-" + std::to_string(kiln)), 50);
    pids = fabric.list_node_pids();
    fabric.signal(SIGKILL);
    CHECK(fabric.wait_for_end() == 128 + SIGKILL);
  }
  for (const pid_t pid : pids) epic::test::wait_for_death(pid);
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  fabric.wait_for("ready 2 nodes");
  const Client client = Client::connect(project.path().string());
  for (int kiln = 0; kiln < kKilns; ++kiln) {
    const auto numbers = numbers_in(project.path() / folder / ("notes-" + std::to_string(kiln)));
    REQUIRE(numbers.size() >= 50);
    CHECK(client.call(client.get<Kiln>(kiln)->count()) >= numbers.back());
  }
}
