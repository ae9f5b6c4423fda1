#include "cluster/control/control_client.hpp"

#include <unistd.h>

#include <boost/json/object.hpp>
#include <catch2/catch.hpp>

#include "support/temp_dir.hpp"
#include "transport/unix_socket.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;

TEST_CASE("control client: a supervisor that accepts and never answers ends a stream, too", "[cluster]") {
  const epic::test::TempDir directory;
  const std::string path = (directory.path() / "control.sock").string();
  const auto socket = epic::transport::listen_unix_socket(path);
  REQUIRE(socket.has_value());
  auto client = ControlClient::connect(path);
  REQUIRE(client.has_value());
  const auto done = client->stream_text("logs", boost::json::object(), [](std::string_view) { return true; }, 50ms);
  ::close(*socket);
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().code == ControlErrorCode::unreachable);
  CHECK_THAT(done.error().message, Catch::Contains("did not answer in time"));
}

TEST_CASE("control client: a link in the socket's place is not followed", "[cluster]") {
  const epic::test::TempDir directory;
  const std::string path = (directory.path() / "control.sock").string();
  const auto socket = epic::transport::listen_unix_socket(path);
  REQUIRE(socket.has_value());
  std::filesystem::create_symlink(path, directory.path() / "link.sock");
  const auto client = ControlClient::connect(directory.path() / "link.sock");
  ::close(*socket);
  REQUIRE_FALSE(client.has_value());
  CHECK_THAT(client.error().message, Catch::Contains("symbolic links"));
}
