#include "transport/make_transport.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

#include "codec/peer_frames.hpp"
#include "integration/cluster/supervised.hpp"
#include "protocol/peers.hpp"
#include "support/child.hpp"
#include "support/frames.hpp"
#include "support/temp_dir.hpp"
#include "transport/unix_socket.hpp"

using namespace epic::kernel;
using namespace std::chrono_literals;
using epic::ErrorCode;
namespace asio = boost::asio;

namespace {

/// One end: a transport, and the events it was given.
struct End {
  End(asio::io_context& context, PeerAddress self, std::string fabric = "f/1", std::uint32_t shards = 8)
      : address(self),
        owned(epic::transport::make_transport(
            context,
            {.on_hello = [this](const PeerAddress& from, HelloMessage) { hellos.push_back(from); },
             .on_message = [this](const PeerAddress& from,
                                  Message message) { messages.emplace_back(from, std::move(message)); },
             .on_lost = [this](const PeerAddress& peer) { lost.push_back(peer); },
             .on_room = [this](const PeerAddress& peer) { with_room.push_back(peer); },
             .on_map = self.is_client() ? [this](const PeerAddress&, ShardMap map) { maps.push_back(std::move(map)); }
                                        : std::function<void(const PeerAddress&, ShardMap)>(),
             .on_unmet = [this](const std::string& where, const std::string&) { unmet.push_back(where); },
             .on_note = [this](LogLevel, const std::string& text) { notes += text + "\n"; }})),
        transport(*owned) {
    transport.introduce({.from = self, .fabric = std::move(fabric), .shard_count = shards, .methods = {}});
  }
  PeerAddress address;
  std::vector<PeerAddress> hellos;
  std::vector<std::pair<PeerAddress, Message>> messages;
  std::vector<PeerAddress> lost;
  std::vector<PeerAddress> with_room;  // again
  std::vector<ShardMap> maps;
  std::vector<std::string> unmet;
  std::string notes;
  std::unique_ptr<epic::transport::Transport> owned;
  epic::transport::Transport& transport;
};

struct UnixTransportFixture {
  epic::test::ProjectDirectory directory;
  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::vector<End*> ends;

  std::filesystem::path folder;
  std::string path(NodeId node) const { return (directory.path() / folder / fmt::format("{}.sock", node)).string(); }
  void listen(End& end) {
    REQUIRE(end.transport.listen(path(end.address.node)).has_value());
    ends.push_back(&end);
  }
  void publish(std::initializer_list<PeerAddress> members) {
    ShardMap map{
        .version = MapVersion{1}, .owners = std::vector<NodeId>(8), .members = {}, .moving = {}, .owned_since = {}};
    for (const PeerAddress& member : members)
      map.members.push_back({member.node, Incarnation{member.life}, path(member.node)});
    for (End* end : ends) end->transport.set_map(map);
  }
  /// Runs until `is_met` returns true; on timeout, prints what it waited for.
  template <class Condition>
  void run_until(const char* what, Condition is_met) {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!is_met()) {
      auto wake = deadline;
      for (End* end : ends) {
        end->transport.on_time(std::chrono::steady_clock::now().time_since_epoch().count());
        end->transport.flush();
        if (const auto due = end->transport.next_timer_ns())
          wake = std::min(wake, std::chrono::steady_clock::time_point(std::chrono::nanoseconds(*due)));
      }
      if (is_met()) return;
      context.run_one_until(wake);
      std::string notes;
      for (End* end : ends) notes += end->notes;
      INFO("waited for: " << what << "\n" << notes);
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
  }
};

constexpr PeerAddress kNode1{NodeId{1}, 11};
constexpr PeerAddress kNode2{NodeId{2}, 22};

CallMessage make_call(std::uint64_t sequence, std::size_t argument_bytes = 8, PeerAddress from = kNode1) {
  return {.id = {from.node, from.life, sequence},
          .target = "Counter/a",
          .method = 0,
          .map_version = MapVersion{1},
          .patience_ns = 1,
          .chain = {},
          .arguments = std::vector<std::byte>(argument_bytes)};
}

}  // namespace

TEST_CASE("unix transport: messages arrive in order, after a hello, whatever their size", "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1), two(f.context, kNode2);
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
  constexpr std::uint64_t kCount = 2000;
  for (std::uint64_t i = 1; i <= kCount; ++i) one.transport.send(kNode2, make_call(i, i % 100 == 0 ? 1u << 20 : 24));
  f.run_until("all messages", [&] { return two.messages.size() == kCount; });
  CHECK(two.hellos == std::vector{kNode1});
  for (std::uint64_t i = 0; i < kCount; ++i) {
    CHECK(two.messages[i].first == kNode1);
    CHECK(std::get<CallMessage>(two.messages[i].second).id.sequence == i + 1);
  }
  two.transport.send(kNode1, ReplyMessage{7, ResultPart{}});
  f.run_until("the reply", [&] { return one.messages.size() == 1; });
  CHECK(one.hellos == std::vector{kNode2});
}

TEST_CASE("unix transport: two that dial each other at once lose nothing and keep the order", "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1), two(f.context, kNode2);
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
  for (std::uint64_t i = 1; i <= 50; ++i) {
    one.transport.send(kNode2, make_call(i));
    two.transport.send(kNode1, make_call(i, 8, kNode2));
    if (i % 5 == 0) f.run_until("some", [&] { return one.messages.size() >= i - 4 && two.messages.size() >= i - 4; });
  }
  f.run_until("all", [&] { return one.messages.size() == 50 && two.messages.size() == 50; });
  for (std::uint64_t i = 0; i < 50; ++i)
    for (const End* end : {&one, &two}) CHECK(std::get<CallMessage>(end->messages[i].second).id.sequence == i + 1);
  CHECK(one.lost.empty());
  CHECK(two.lost.empty());
}

TEST_CASE("unix transport: a peer of another fabric, or with another number of shards, is refused with a reason",
          "[transport]") {
  UnixTransportFixture f;
  const bool is_fabric = GENERATE(true, false);
  End one(f.context, kNode1, is_fabric ? "f/2" : "f/1", is_fabric ? 8 : 16), two(f.context, kNode2);
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
  one.transport.send(kNode2, make_call(1));
  f.run_until("the end", [&] { return one.lost.size() == 1; });
  f.run_until("both notes", [&] { return !one.notes.empty() && !two.notes.empty(); });
  CHECK(two.messages.empty());
  const auto reason = is_fabric ? Catch::Contains("fabric 'f/") : Catch::Contains("shards");
  CHECK_THAT(one.notes + two.notes, reason);
}

TEST_CASE("unix transport: a call to a peer that cannot be reached comes back as refused, then it is lost",
          "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1);
  f.listen(one);
  f.publish({kNode1, kNode2});
  one.transport.send(kNode2, make_call(5));
  f.run_until("the loss", [&] { return one.lost.size() == 1; });
  REQUIRE(one.messages.size() == 1);
  const auto& reply = std::get<ReplyMessage>(one.messages[0].second);
  CHECK(reply.sequence == 5);
  CHECK(std::holds_alternative<RefusedPart>(reply.outcome));
}

TEST_CASE("unix transport: another life at a peer's address is not that peer", "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1), two(f.context, {NodeId{2}, 23});
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
  one.transport.send(kNode2, make_call(1));
  f.run_until("the loss", [&] { return one.lost == std::vector{kNode2}; });
  CHECK(one.hellos.empty());
  CHECK(two.messages.empty());  // nor did it get what was meant for the other
  REQUIRE(one.messages.size() == 1);
  CHECK(std::holds_alternative<RefusedPart>(std::get<ReplyMessage>(one.messages[0].second).outcome));
}

TEST_CASE("unix transport: a peer that ends is lost, once, and can be reached again in its next life", "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1);
  f.listen(one);
  {
    End two(f.context, kNode2);
    f.listen(two);
    f.publish({kNode1, kNode2});
    one.transport.send(kNode2, make_call(1));
    two.transport.send(kNode1, make_call(1, 8, kNode2));
    f.run_until("both", [&] { return one.messages.size() == 1 && two.messages.size() == 1; });
    f.ends.pop_back();
  }
  f.run_until("the loss", [&] { return one.lost == std::vector{kNode2}; });
  End next(f.context, {NodeId{2}, 23});
  f.listen(next);
  f.publish({kNode1, next.address});
  one.transport.send(next.address, make_call(2));
  f.run_until("the call", [&] { return next.messages.size() == 1; });
  CHECK(one.lost.size() == 1);
}

TEST_CASE("unix transport: one that parts says so behind its last answer, reads no more, and is left", "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1), two(f.context, kNode2);
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
  // Both dial, so that there are two connections.
  one.transport.send(kNode2, make_call(1));
  two.transport.send(kNode1, make_call(1, 8, kNode2));
  f.run_until("both calls", [&] { return one.messages.size() == 1 && two.messages.size() == 1; });
  two.transport.send(kNode1, ReplyMessage{1, ResultPart{}});
  two.transport.part();
  one.transport.send(kNode2, make_call(2));
  f.run_until("the end", [&] { return one.lost == std::vector{kNode2} && two.transport.is_alone(); });
  CHECK(two.messages.size() == 1);
  REQUIRE(one.messages.size() == 3);
  CHECK(std::get<ReplyMessage>(one.messages[1].second).sequence == 1);
  const auto& farewell = std::get<ReplyMessage>(one.messages[2].second);
  CHECK(farewell.sequence == 0);
  CHECK(std::holds_alternative<RefusedPart>(farewell.outcome));
  CHECK_FALSE(std::filesystem::exists(f.path(kNode2.node)));
}

TEST_CASE("unix transport: two that part at once leave each other", "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1), two(f.context, kNode2);
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
  one.transport.send(kNode2, make_call(1));
  f.run_until("the call", [&] { return two.messages.size() == 1; });
  for (End* end : f.ends) end->transport.part();
  f.run_until("both are alone", [&] { return one.transport.is_alone() && two.transport.is_alone(); });
}

TEST_CASE("unix transport: damaged bytes end that connection, and no other", "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1), two(f.context, kNode2);
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
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

TEST_CASE("unix transport: a client needs no fabric, and is told each shard map", "[transport]") {
  UnixTransportFixture f;
  End node(f.context, kNode1), client(f.context, {NodeId{0}, 77}, "", 0);
  f.listen(node);
  f.ends.push_back(&client);
  client.transport.meet(f.path(NodeId{1}));
  f.run_until("both hellos", [&] { return client.hellos.size() == 1 && node.hellos.size() == 1; });
  CHECK(node.hellos[0].is_client());
  node.transport.set_map(
      {.version = MapVersion{4}, .owners = std::vector<NodeId>(8), .members = {}, .moving = {}, .owned_since = {}});
  f.run_until("the map", [&] { return client.maps.size() == 1; });
  CHECK(client.maps[0].version == MapVersion{4});
  node.transport.send(client.address, ReplyMessage{3, ErrorPart{ErrorCode::timeout, {}, "late"}});
  f.run_until("the reply", [&] { return client.messages.size() == 1; });
}

TEST_CASE("unix transport: nobody at an address is said, not thrown", "[transport]") {
  UnixTransportFixture f;
  End client(f.context, {NodeId{0}, 77}, "", 0);
  f.ends.push_back(&client);
  client.transport.meet(f.path(NodeId{9}));
  f.run_until("the answer", [&] { return client.unmet.size() == 1; });
  CHECK(client.unmet[0] == f.path(NodeId{9}));
}

TEST_CASE("unix transport: only the user may open the socket, and errors name the address", "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1);
  f.listen(one);
  struct stat status{};
  REQUIRE(::stat(f.path(NodeId{1}).c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  End two(f.context, kNode2);
  const auto refused = two.transport.listen("/no/such/directory/x.sock");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == "cannot listen on /no/such/directory/x.sock: No such file or directory");
  one.transport.close();
  CHECK_FALSE(std::filesystem::exists(f.path(NodeId{1})));
}

TEST_CASE("unix transport: a socket may lie deeper in the file system than an address has room for", "[transport]") {
  UnixTransportFixture f;
  f.folder = std::string(100, 'a') + "/" + std::string(100, 'b');
  std::filesystem::create_directories(f.directory.path() / f.folder);
  End one(f.context, kNode1), two(f.context, kNode2);
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
  one.transport.send(kNode2, make_call(1));
  f.run_until("the call", [&] { return two.messages.size() == 1; });
  two.transport.close();
  CHECK_FALSE(std::filesystem::exists(f.path(NodeId{2})));
}

TEST_CASE("unix transport: for a peer that reads nothing there is no room for calls, instead of a growing heap",
          "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1);
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

TEST_CASE("unix transport: when a peer has read what was sent there is room for calls again", "[transport]") {
  UnixTransportFixture f;
  End one(f.context, kNode1), two(f.context, kNode2);
  f.listen(one);
  f.listen(two);
  f.publish({kNode1, kNode2});
  std::uint64_t sequence = 0;
  for (std::size_t round = 1; round <= 2; ++round) {
    while (one.transport.has_room(kNode2)) one.transport.send(kNode2, make_call(++sequence, 8u << 20));
    f.run_until("room", [&] { return one.with_room.size() == round; });
    CHECK(one.transport.has_room(kNode2));
  }
  f.run_until("all calls", [&] { return two.messages.size() == sequence; });
  CHECK(one.with_room == std::vector{kNode2, kNode2});
  CHECK(one.lost.empty());
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
