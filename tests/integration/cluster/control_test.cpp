#include <catch2/catch.hpp>
#include <cstring>
#include <set>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "cluster/control/control_server.hpp"
#include "integration/cluster/supervised.hpp"
#include "transport/unix_socket.hpp"

using namespace epic::cluster;
using epic::test::ProjectDirectory;
using epic::test::Supervised;
namespace json = boost::json;

namespace {

struct Fabric {
  ProjectDirectory project;
  Supervised supervised{project, "good", [](SupervisorOptions& options) { options.node_count = 3; }};
  Fabric() { supervised.wait_for("event setup_done"); }
  [[nodiscard]] std::filesystem::path socket() const { return project.path() / ".epic" / "control.sock"; }
};

}  // namespace

TEST_CASE("control: the socket is for its owner only", "[cluster]") {
  const Fabric fabric;
  struct stat status{};
  REQUIRE(::stat(fabric.socket().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("control: calls and questions go to the owner of the entity", "[cluster][threads]") {
  Fabric fabric;
  std::set<std::string> nodes;
  for (int i = 0; i < 30; ++i) {
    const std::string entity = "Fake/" + std::to_string(i);
    const auto answer = fabric.supervised.ask("inspect", {{"entity", entity}});
    CHECK(answer.at("entity").as_string() == entity);
    nodes.emplace(std::string_view(answer.at("node").as_string()));
  }
  CHECK(nodes.size() == 3);
  const auto result = fabric.supervised.call("Fake/{a/b}/c d", "echo", {1, "two"}).at("result").as_object();
  CHECK(result.at("args") == json::array{1, "two"});
  CHECK(result.at("timeout_ms") == 30'000);
}

TEST_CASE("control: listings and types come from all nodes, as one", "[cluster][threads]") {
  Fabric fabric;
  for (int i = 0; i < 20; ++i) fabric.supervised.call("Fake/" + std::to_string(i), "echo");
  CHECK(fabric.supervised.stream("ls").size() == 20);
  CHECK(fabric.supervised.stream("ls", {{"limit", 7}}).size() == 7);
  CHECK(fabric.supervised.stream("ls", {{"limit", 0}}).empty());
  const auto types = fabric.supervised.ask("types").at("types").as_array();
  CHECK(types.size() == 2);
  CHECK(types.at(0).at("counters").at("entities") == 6);  // two on each of three nodes
  CHECK(types.at(0).at("counters").at("activated") == 9);
}

TEST_CASE("control: what clients start from names every node and every owner", "[cluster]") {
  Fabric fabric;
  const auto nodes = fabric.supervised.ask("nodes");
  CHECK(nodes.at("nodes").as_array().size() == 3);
  CHECK(nodes.at("map").at("owners").as_array().size() == 64);
  CHECK(nodes.at("fabric").as_string().find(fabric.project.path().string()) != std::string::npos);
}

TEST_CASE("control: a wrong request gets an error that says what is wrong", "[cluster]") {
  Fabric fabric;
  const auto error = [&](std::string_view verb, json::object body) {
    return fabric.supervised.ask_in_vain(verb, std::move(body));
  };
  CHECK(error("fly", {}).message == "The fabric runs epic 1.2.3, which does not know the request 'fly'.");
  CHECK(error("inspect", {}).code == ControlErrorCode::bad_request);
  CHECK(error("inspect", {{"entity", "Bob"}}).message == "'Bob' is not a valid entity name: it is written Type/Key.");
  CHECK(error("inspect", {{"entity", "Fake/" + std::string(5000, 'x')}}).code == ControlErrorCode::bad_request);
  CHECK(error("inspect", {{"entity", "Nothing/1"}}).code == ControlErrorCode::not_found);
  CHECK(error("inspect", {{"entity", "Nothing/1"}}).detail.error == "no_such_type");
  CHECK(error("call", {{"entity", "Fake/1"}}).code == ControlErrorCode::bad_request);
  CHECK(error("call", {{"entity", "Fake/1"}, {"method", "m"}, {"args", 7}}).code == ControlErrorCode::bad_request);
  CHECK(error("call", {{"entity", "Fake/1"}, {"method", "m"}, {"timeout_ms", -1}}).code ==
        ControlErrorCode::bad_request);
  CHECK(error("ls", {{"limit", "many"}}).message ==
        "The request 'ls' is not as it should be: limit: expected uint64, got the string \"many\".");
}

TEST_CASE("control: a stranger's bytes end its connection and nothing else", "[cluster]") {
  Fabric fabric;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, fabric.socket().c_str(), sizeof address.sun_path - 1);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  const std::string_view greeting = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  REQUIRE(::send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(greeting.size()));
  char byte = 0;
  CHECK(::recv(fd, &byte, 1, 0) <= 0);
  ::close(fd);
  CHECK(fabric.supervised.ask("ping").at("version") == "1.2.3");
}

TEST_CASE("control: one connection serves many requests", "[cluster][threads][memory]") {
  Fabric fabric;
  auto client = ControlClient::connect(fabric.socket());
  REQUIRE(client);
  for (int i = 0; i < 100; ++i) {
    const auto answer = client->request("call", json::object{{"entity", "Fake/" + std::to_string(i)}, {"method", "m"}});
    REQUIRE(answer.has_value());
  }
}

TEST_CASE("control: with the fabric down a client hears so at once", "[cluster]") {
  const ProjectDirectory project;
  const auto none = ControlClient::connect(project.path() / "control.sock");
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code == ControlErrorCode::no_fabric);
  const auto deep = ControlClient::connect(project.path() / std::string(200, 'x') / "control.sock");
  REQUIRE_FALSE(deep.has_value());
  CHECK(deep.error().code == ControlErrorCode::no_fabric);
}

TEST_CASE("control: idle connections end, and one process cannot take all places", "[cluster]") {
  const ProjectDirectory project;
  boost::asio::io_context context;
  const std::string path = (project.path() / "control.sock").string();
  const bool is_timed = GENERATE(false, true);
  const auto server = ControlServer::listen(
      context, path, [](const ControlRequest&, const ControlReply& reply) { reply.finish(std::string_view("1")); },
      {.connections_max = 8,
       .connections_of_process_max = 2,
       .idle_max = is_timed ? std::chrono::milliseconds(1) : std::chrono::hours(1)});
  REQUIRE(server.has_value());
  const auto connect = [&] {
    const int fd = epic::transport::connect_unix_socket(path).value();
    context.poll();
    return fd;
  };
  const auto is_closed = [](int fd) {
    char byte = 0;
    return ::recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
  };
  const int first = connect();
  if (is_timed) {
    while (!is_closed(first)) REQUIRE(context.run_one_for(std::chrono::seconds(30)) > 0);
  } else {
    const int second = connect();
    CHECK_FALSE(is_closed(first));
    const int third = connect();
    CHECK(is_closed(first));
    CHECK_FALSE(is_closed(second));
    CHECK_FALSE(is_closed(third));
    ::close(second);
    ::close(third);
  }
  ::close(first);
}
