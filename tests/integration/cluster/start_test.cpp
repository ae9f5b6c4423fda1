#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "integration/cluster/supervised.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::test::holds;
using epic::test::ProjectDirectory;
using epic::test::Supervised;

namespace {

void one_node(SupervisorOptions& options) { options.node_count = 1; }

/// Returns the error of a fabric that fails to start, and checks that nothing is left of it.
std::string failure_of(const ProjectDirectory& project, const std::string& module,
                       const std::function<void(SupervisorOptions&)>& change = {}) {
  Supervised fabric{project, module, change};
  std::string error = fabric.wait_for_error();
  CHECK(fabric.wait_for_end() == kExitFailed);
  if (std::filesystem::exists(project.path() / ".epic")) CHECK(project.list_left_behind().empty());
  return error;
}

}  // namespace

TEST_CASE("start: a node that cannot start reports why, and how to fix it", "[cluster]") {
  const ProjectDirectory project;
  const auto error = failure_of(project, "refuse");
  CHECK(holds(error, "cannot start: the module is of epic 0.0.1|Run 'epic build'.|"));
  CHECK(holds(error, "/logs/"));
}

TEST_CASE("start: nodes that are killed because another cannot start are not said to be slow", "[cluster]") {
  const ProjectDirectory project;
  CHECK(holds(failure_of(project, "refuse-one"), "node-1 cannot start"));
  std::ifstream log(project.path() / ".epic" / "logs" / "latest" / "supervisor.log");
  const std::string text{std::istreambuf_iterator(log), {}};
  CHECK(holds(text, "node-2 was killed by signal 9 (SIGKILL) (the fabric could not start)."));
  CHECK_FALSE(holds(text, "has not finished yet"));
}

TEST_CASE("start: the last lines of a node that exits are shown", "[cluster]") {
  const ProjectDirectory project;
  const auto error = failure_of(project, "exit3", one_node);
  CHECK(holds(error, "node-1 exited with code 3 while it was starting.~  | cannot go on~  | really not|"));
}

TEST_CASE("start: a node of a version that is not understood is refused", "[cluster]") {
  const ProjectDirectory project;
  CHECK(holds(failure_of(project, "foreign", one_node), "is version 0.0.1, which epic 1.2.3 does not understand"));
}

TEST_CASE("start: a node of a former version that is understood runs", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric(project, "former", one_node);
  fabric.wait_for("ready 1 nodes");
}

TEST_CASE("start: a node that never becomes ready is not waited for forever", "[cluster]") {
  const ProjectDirectory project;
  const auto error = failure_of(project, "silent-start", [](SupervisorOptions& options) {
    options.node_count = 1;
    options.start_timeout = 200ms;
  });
  CHECK(holds(error, "was not ready within 200ms"));
}

TEST_CASE("start: a node that is killed while it starts is started again", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "crash-once", [](SupervisorOptions& options) { options.node_count = 2; }};
  fabric.wait_for("was killed by signal 11 (SIGSEGV)");
  fabric.wait_for("event setup_done");
  fabric.wait_until_level();
}

TEST_CASE("start: a missing epic-node is reported at once", "[cluster]") {
  const ProjectDirectory project;
  const auto error =
      failure_of(project, "good", [](SupervisorOptions& options) { options.node_program = "/nowhere/epic-node"; });
  CHECK(holds(error, "Cannot start /nowhere/epic-node: No such file or directory."));
}

TEST_CASE("start: a project may lie deeper in the file system than a socket's address has room for", "[cluster]") {
  const ProjectDirectory project;
  const auto deep = project.path() / std::string(100, 'd') / std::string(100, 'e');
  std::filesystem::create_directories(deep);
  Supervised fabric{project, "good", [&](SupervisorOptions& options) { options.project_directory = deep; }};
  fabric.wait_for("event setup_done");
  auto client = ControlClient::connect(deep / ".epic" / "control.sock");
  REQUIRE(client.has_value());
  CHECK(client->request("ping", boost::json::object{}).has_value());
}

TEST_CASE("start: an error names a directory that is not writable", "[cluster]") {
  const ProjectDirectory project;
  std::ofstream(project.path() / ".epic") << "a file where the directory should be";
  Supervised fabric{project, "good"};
  CHECK(holds(fabric.wait_for_error(), (project.path() / ".epic").string()));
  CHECK(fabric.wait_for_end() == kExitFailed);
}

TEST_CASE("start: an error names a run counter that is not a number", "[cluster]") {
  const ProjectDirectory project;
  std::filesystem::create_directory(project.path() / ".epic");
  std::ofstream(project.path() / ".epic" / "run_count") << "many\n";
  CHECK(holds(failure_of(project, "good"), "run_count"));
}

TEST_CASE("setup: if its node dies, another one runs it", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "setup-crash-once"};
  fabric.wait_for("was killed by signal 9 (SIGKILL)");
  fabric.wait_for("event setup_done");
}

TEST_CASE("setup: --exit-after-setup stops the fabric in order", "[cluster]") {
  const ProjectDirectory project;
  Supervised fabric{project, "good", [](SupervisorOptions& options) { options.after_setup = AfterSetup::exit; }};
  fabric.wait_for("event setup_done");
  fabric.wait_for("event stopping setup has returned");
  CHECK(fabric.wait_for_end() == kExitOk);
  CHECK(project.list_left_behind().empty());
}

TEST_CASE("setup: a failure fails --exit-after-setup, and is only reported otherwise", "[cluster]") {
  const ProjectDirectory project;
  CHECK(holds(
      failure_of(project, "setup-throws", [](SupervisorOptions& options) { options.after_setup = AfterSetup::exit; }),
      "The module's setup failed: std::runtime_error: no barrels"));
  Supervised fabric{project, "setup-throws", one_node};
  fabric.wait_for("event setup_failed std::runtime_error: no barrels");
  CHECK(fabric.ask("ps").at("setup") == "failed");
}

TEST_CASE("detach: the fabric outlives the process that started it, and stops on request", "[cluster][threads]") {
  const ProjectDirectory project;
  const pid_t starter = ::fork();
  REQUIRE(starter >= 0);
  if (starter == 0) {
    auto options = epic::test::fake_options(project, "good");
    bool is_ready = false;
    options.on_ready = [&](const FabricReady& ready) { is_ready = ready.nodes.size() == 4; };
    ::_exit(run_supervisor_detached(options) == kExitOk && is_ready ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(starter, &status, 0) == starter);
  CHECK(WEXITSTATUS(status) == 0);

  auto client = ControlClient::connect(project.path() / ".epic" / "control.sock");
  REQUIRE(client);
  const auto pid = client->request("ping", boost::json::object{})->at("pid").to_number<pid_t>();
  CHECK(::getsid(pid) == pid);
  REQUIRE(client->stream("stop", boost::json::object{}, [](const auto&) { return true; }));
  epic::test::wait_for_death(pid);
  CHECK(project.list_left_behind().empty());
}

TEST_CASE("detach: a setup that takes long is reported as still running, and goes on", "[cluster]") {
  const ProjectDirectory project;
  const pid_t starter = ::fork();
  REQUIRE(starter >= 0);
  if (starter == 0) {
    auto options = epic::test::fake_options(project, "setup-hangs");
    options.setup_wait = std::chrono::milliseconds(200);
    int reports = 0;
    options.on_event = [&](const SupervisorEvent& event) { reports += event.kind == SupervisorEventKind::setting_up; };
    ::_exit(run_supervisor_detached(options) == kExitOk && reports == 1 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(starter, &status, 0) == starter);
  CHECK(WEXITSTATUS(status) == 0);

  auto client = ControlClient::connect(project.path() / ".epic" / "control.sock");
  REQUIRE(client);
  CHECK(client->request("ps", boost::json::object{})->at("setup") == "running");
  const auto pid = client->request("ping", boost::json::object{})->at("pid").to_number<pid_t>();
  REQUIRE(client->stream("stop", boost::json::object{}, [](const auto&) { return true; }));
  epic::test::wait_for_death(pid);
}

TEST_CASE("detach: a fabric that fails to start reports the reason to the process that started it", "[cluster]") {
  const ProjectDirectory project;
  const pid_t starter = ::fork();
  REQUIRE(starter >= 0);
  if (starter == 0) {
    auto options = epic::test::fake_options(project, "refuse");
    std::string message;
    options.on_error = [&](const SupervisorError& error) { message = error.message; };
    ::_exit(run_supervisor_detached(options) == kExitFailed && holds(message, "epic 0.0.1") ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(starter, &status, 0) == starter);
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("detach: a reason of any length arrives", "[cluster]") {
  const ProjectDirectory project;
  const pid_t starter = ::fork();
  REQUIRE(starter >= 0);
  if (starter == 0) {
    auto options = epic::test::fake_options(project, "exit-loudly");
    std::string message;
    options.on_error = [&](const SupervisorError& error) { message = error.message; };
    ::_exit(run_supervisor_detached(options) == kExitFailed && message.size() > 500'000 ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(starter, &status, 0) == starter);
  CHECK(status == 0);
}
