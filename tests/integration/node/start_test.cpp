// Conditions under which a node refuses to start, and the messages.

#include <sys/wait.h>

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>

#include "integration/node/real_fabric.hpp"

using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
namespace json = boost::json;

namespace {

struct Output {
  int exit_code;
  std::string text;
};

Output run_node(const std::string& arguments) {
  FILE* pipe = ::popen((std::string(EPIC_NODE_PROGRAM) + " " + arguments + " 2>&1 3<&-").c_str(), "r");
  REQUIRE(pipe != nullptr);
  Output output{0, {}};
  char bytes[4096];
  while (const std::size_t count = std::fread(bytes, 1, sizeof bytes, pipe)) output.text.append(bytes, count);
  output.exit_code = WEXITSTATUS(::pclose(pipe));
  return output;
}

std::string module_path(const std::string& name) { return std::string(EPIC_TEST_MODULES) + "/" + name + ".so"; }

/// What the supervisor reports if no node starts with this module.
std::string refusal(const std::function<void(epic::cluster::SupervisorOptions&)>& options) {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", options};
  std::string error = fabric.wait_for_error();
  CHECK(fabric.wait_for_end() == epic::cluster::kExitFailed);
  CHECK(project.list_left_behind().empty());
  return error;
}

}  // namespace

TEST_CASE("node: a module of another version of epic is refused before any of its code runs", "[node]") {
  const std::string error = refusal(real_nodes("foreign_abi", 2));
  CHECK_THAT(error,
             Catch::Contains("epic-0.0.1-abi-0") && Catch::Contains(EPIC_ABI_TAG) && Catch::Contains("epic build"));
}

TEST_CASE("node: a module with two classes of one name is refused", "[node]") {
  CHECK_THAT(refusal(real_nodes("twins", 1)), Catch::Contains("two entity classes are called 'Twin'"));
}

TEST_CASE("node: a shared library without EPIC_MODULE is refused", "[node]") {
  CHECK_THAT(refusal(real_nodes("no_module", 1)), Catch::Contains("it has no EPIC_MODULE"));
}

TEST_CASE("node: a store that is garbage is refused, with its path", "[node]") {
  const std::string error = refusal(real_nodes("probe", 1, [](epic::cluster::SupervisorOptions& options) {
    std::filesystem::create_directories(options.store.location.parent_path());
    std::ofstream(options.store.location) << std::string(8192, 'x');
  }));
  CHECK_THAT(error, Catch::Contains("state.sqlite"));
}

TEST_CASE("node: what keeps a fabric from starting is told once, and stands in the logs", "[node]") {
  const ProjectDirectory project;
  std::filesystem::create_directories(project.path() / ".epic");
  std::ofstream(project.path() / ".epic" / "state.sqlite") << std::string(8192, 'x');
  Supervised fabric{project, "unused", real_nodes("probe", 2)};
  static_cast<void>(fabric.wait_for_error());
  CHECK(fabric.wait_for_end() == epic::cluster::kExitFailed);
  const std::string sentence = "is not an epic store";
  const std::string heard = fabric.heard();
  const std::size_t first = heard.find(sentence);
  REQUIRE(first != std::string::npos);
  CHECK(heard.find(sentence, first + 1) == std::string::npos);
  std::ifstream file(project.path() / ".epic" / "logs" / "latest" / "supervisor.log");
  const std::string log((std::istreambuf_iterator<char>(file)), {});
  CHECK_THAT(log, Catch::Contains(sentence));
}

TEST_CASE("node: a store of another shard count is refused, with both counts", "[node]") {
  const ProjectDirectory project;
  {
    Supervised fabric{project, "unused", real_nodes("probe", 1)};
    fabric.wait_for("ready 1 nodes");
    fabric.signal(SIGTERM);
    CHECK(fabric.wait_for_end() == epic::cluster::kExitOk);
  }
  Supervised fabric{project, "unused", real_nodes("probe", 1, [](auto& options) { options.shard_count = 32; })};
  CHECK_THAT(fabric.wait_for_error(), Catch::Contains("64") && Catch::Contains("`epic reshard 32`"));
}

TEST_CASE("node: --describe prints a module's classes, methods, state and schemas", "[node]") {
  const Output output = run_node("--describe " + module_path("probe"));
  REQUIRE(output.exit_code == 0);
  const json::object module = json::parse(output.text).as_object();
  CHECK(module.at("abi").as_string() == EPIC_ABI_TAG);
  REQUIRE(module.at("types").as_array().size() == 9);
  const json::object& counter = module.at("types").as_array()[0].as_object();
  CHECK(counter.at("type") == "Counter");
  CHECK(counter.at("mode") == "gated");
  CHECK(counter.at("methods").at(0) == json::parse(R"({"name":"add","parameters":["int64"],"parameter_names":[],
                                                       "result":"int64","read_only":false,"exclusive":false})"));
  CHECK(counter.at("state").at(1) == json::parse(R"({"name":"seen","type":"list<int64>"})"));
  CHECK_THAT(std::string(counter.at("schema").as_string()), Catch::Contains("value: int64"));
  CHECK(module.at("types").at(1).at("mode") == "transient");
}

TEST_CASE("node: --describe refuses what is not a module", "[node]") {
  CHECK(run_node("--describe " + module_path("foreign_abi")).exit_code == 1);
  CHECK_THAT(run_node("--describe /dev/null").text, Catch::Contains("not a shared library"));
  CHECK_THAT(run_node("--describe /no/such/file").text, Catch::Contains("No such file"));
  CHECK(run_node("--describe").exit_code == 2);
}

TEST_CASE("node: started by hand it says who starts it, and --version says what it is", "[node]") {
  CHECK(run_node("").exit_code == 2);
  CHECK_THAT(run_node("").text, Catch::Contains("epic run"));
  CHECK_THAT(run_node("--version").text, Catch::Contains(EPIC_VERSION_TEXT) && Catch::Contains(EPIC_ABI_TAG));
}
