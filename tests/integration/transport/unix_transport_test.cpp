// What is particular to UNIX sockets.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

#include "cluster/control/control_client.hpp"
#include "codec/peer_frames.hpp"
#include "integration/transport/transport_fixture.hpp"
#include "support/child.hpp"
#include "support/frames.hpp"
#include "support/temp_dir.hpp"
#include "transport/unix_socket.hpp"

using namespace epic::kernel;
using namespace epic::test;

TEST_CASE("unix transport: damaged bytes end that connection, and no other", "[transport]") {
  TransportFixture f(MediumKind::unix_sockets);
  LinkedEnds ends(f);
  auto& [one, two] = ends;
  one.transport.send(kNode2, make_call(1));
  f.run_until("the call", [&] { return two.messages.size() == 1; });

  std::vector<std::byte> frame;
  epic::codec::append_frame(HelloMessage{.from = {NodeId{0}, 5}, .fabric = {}, .shard_count = 0, .methods = {}}, frame);
  std::size_t cut_off = 0;
  const auto strike = [&](std::vector<std::byte> bytes) {
    asio::local::stream_protocol::socket stranger(f.context);
    stranger.connect(f.path(NodeId{2}));
    asio::write(stranger, asio::buffer(bytes));
    stranger.shutdown(asio::socket_base::shutdown_send);
    bool is_closed = false;
    std::vector<std::byte> sink(1 << 16);
    std::function<void()> read = [&] {
      stranger.async_read_some(asio::buffer(sink), [&](const boost::system::error_code& error, std::size_t) {
        is_closed = static_cast<bool>(error);
        if (!error) read();
      });
    };
    read();
    f.run_until("the end of the stranger", [&] { return is_closed; });
    ++cut_off;
  };
  const std::uint64_t seed = epic::test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 100; ++round) {
    std::vector<std::byte> bytes = frame;
    for (int flips = 0; flips < 3; ++flips)
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << (random() % 8));
    strike(std::move(bytes));
  }
  strike({frame.begin(), frame.end() - 8});
  CHECK(cut_off == 101);
  CHECK(std::ranges::count(two.lost, kNode1) == 0);
  one.transport.send(kNode2, make_call(2));
  f.run_until("the second call",
              [&] { return std::ranges::count(two.messages, kNode1, &std::pair<PeerAddress, Message>::first) == 2; });
}

TEST_CASE("unix transport: only the user may open the socket, and errors name the address", "[transport]") {
  TransportFixture f(MediumKind::unix_sockets);
  End one = f.make_end(kNode1);
  f.listen(one);
  struct stat status{};
  REQUIRE(::stat(f.path(NodeId{1}).c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  End two = f.make_end(kNode2);
  const auto refused = two.transport.listen("/no/such/directory/x.sock");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == "cannot listen on /no/such/directory/x.sock: No such file or directory");
  one.transport.close();
  CHECK_FALSE(std::filesystem::exists(f.path(NodeId{1})));
}

TEST_CASE("unix transport: a socket may lie deeper in the file system than an address has room for", "[transport]") {
  TransportFixture f(MediumKind::unix_sockets);
  f.folder = std::string(100, 'a') + "/" + std::string(100, 'b');
  std::filesystem::create_directories(f.directory.path() / f.folder);
  LinkedEnds ends(f);
  auto& [one, two] = ends;
  one.transport.send(kNode2, make_call(1));
  f.run_until("the call", [&] { return two.messages.size() == 1; });
  two.transport.close();
  CHECK_FALSE(std::filesystem::exists(f.path(NodeId{2})));
}

TEST_CASE("unix transport: for a peer that reads nothing there is no room for calls, instead of a growing heap",
          "[transport]") {
  TransportFixture f(MediumKind::unix_sockets);
  End one = f.make_end(kNode1);
  f.listen(one);
  asio::local::stream_protocol::acceptor deaf(f.context, asio::local::stream_protocol::endpoint(f.path(NodeId{2})));
  asio::local::stream_protocol::socket ear(f.context);
  f.publish({kNode1, kNode2});
  std::uint64_t sequence = 0;
  one.transport.send(kNode2, make_call(++sequence));
  deaf.accept(ear);
  CHECK(one.transport.has_room(kNode2));
  while (one.transport.has_room(kNode2)) one.transport.send(kNode2, make_call(++sequence, 8u << 20));
  CHECK(one.transport.unsent_bytes() > epic::transport::TransportLimits{}.unsent_bytes_full);
  CHECK(sequence < 12);
  CHECK(one.messages.empty());
}

TEST_CASE("unix transport: what another user has started is not taken for a peer, nor for a fabric", "[transport]") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can become another user");
    return;
  }
  const epic::test::TempDir directory;
  const std::string path = (directory.path() / "control.sock").string();
  std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
  constexpr uid_t kNobody = 65534;
  epic::test::Child stranger([&](const epic::test::Reporter& reporter) {
    const bool is_nobody = ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0;
    const bool listens = is_nobody && epic::transport::listen_unix_socket(path).has_value();
    reporter.line(listens ? "listening" : "cannot listen as nobody");
    ::pause();
  });
  REQUIRE(stranger.read_line() == "listening");
  CHECK(epic::transport::connect_unix_socket(path).error() == std::errc::operation_not_permitted);
  const auto fabric = epic::cluster::ControlClient::connect(path);
  REQUIRE_FALSE(fabric.has_value());
  CHECK_THAT(fabric.error().message, Catch::Contains("started by another user"));
}
