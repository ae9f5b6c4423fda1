// What is particular to TCP with TLS: who is refused, and what strangers can do.
#include <linux/filter.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <random>

#include "codec/peer_frames.hpp"
#include "integration/transport/transport_fixture.hpp"
#include "support/certificates.hpp"
#include "support/frames.hpp"

using namespace epic::kernel;
using namespace epic::test;
using namespace std::chrono_literals;
using epic::transport::Refusal;
using epic::transport::TlsSession;

namespace {

using Bytes = std::vector<std::byte>;

const epic::transport::Secrets kOtherSecret{{"a secret that only others have"}};

Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

struct TcpFixture : TransportFixture {
  TcpFixture() : TransportFixture(MediumKind::tcp) {}

  /// A node that listens, with limits of its own.
  [[nodiscard]] End make_node(epic::transport::TcpLimits limits, epic::transport::TransportLimits peer_limits = {}) {
    return {context, proof, MediumKind::tcp, kNode1, "f/1", 8, limits, peer_limits};
  }

  /// Two nodes try to talk; true if they did.
  bool can_talk(End& from, End& to) {
    const std::size_t heard = to.messages.size();
    const auto losses = [&] { return std::ranges::count(from.lost, to.address); };
    const auto lost = losses();
    from.transport.send(to.address, make_call(1, 8, from.address));
    run_until("the call or the loss", [&] { return to.messages.size() > heard || losses() > lost; });
    return to.messages.size() > heard;
  }
};

/// A socket to a node, whose bytes the test writes itself.
class Stranger {
 public:
  Stranger(TransportFixture& fixture, End& node) : fixture_(fixture), socket_(fixture.context) {
    socket_.connect(*epic::transport::parse_tcp_address(node.tcp->listening_at()));
    socket_.non_blocking(true);
  }
  void say(std::span<const std::byte> bytes) {
    static_cast<void>(::send(descriptor(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  void say_no_more() { ::shutdown(descriptor(), SHUT_WR); }
  [[nodiscard]] int descriptor() { return socket_.native_handle(); }

  /// True at the end of the stream.
  bool hear() {
    std::array<std::byte, 4096> room;
    const ssize_t count = ::recv(descriptor(), room.data(), room.size(), 0);
    if (count > 0) heard_ += static_cast<std::size_t>(count);
    return count == 0 || (count < 0 && errno != EAGAIN);
  }
  /// Returns how many bytes it was sent before its end.
  std::size_t wait_for_end() {
    fixture_.run_until("the end of the stranger", [&] { return hear(); });
    return heard_;
  }

  /// As one who has the secret.
  TlsSession& prove(Proof& proof) {
    session_.emplace(proof.context, descriptor(), TlsSession::Side::dialled);
    fixture_.run_until("the handshake", [&] {
      session_->on_readable();
      return session_->shake_hands() == TlsSession::Outcome::done;
    });
    return *session_;
  }

 private:
  TransportFixture& fixture_;
  asio::ip::tcp::socket socket_;
  std::optional<TlsSession> session_;
  std::size_t heard_ = 0;
};

/// What a dialling process that has the secret sends a node until the node accepts it: the first flight, and the
/// second, for which it has to hear the node.
std::array<Bytes, 2> record_handshake(TransportFixture& fixture, End& node) {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
  std::array<Bytes, 2> flights;
  {
    TlsSession session(fixture.proof.context, ends[0], TlsSession::Side::dialled);
    Stranger wire(fixture, node);
    const auto pass_on = [](int from, int to, Bytes* record) {
      std::array<std::byte, 8192> room;
      const ssize_t count = ::recv(from, room.data(), room.size(), 0);
      if (count <= 0) return;
      if (record != nullptr) record->insert(record->end(), room.begin(), room.begin() + count);
      REQUIRE(::send(to, room.data(), static_cast<std::size_t>(count), 0) == count);
    };
    bool is_first = true;
    fixture.run_until("a handshake", [&] {
      session.on_readable();
      const bool is_done = session.shake_hands() == TlsSession::Outcome::done;
      pass_on(ends[1], wire.descriptor(), &flights[is_first ? 0 : 1]);
      is_first = false;
      pass_on(wire.descriptor(), ends[1], nullptr);
      return is_done && node.tcp->strangers() == 0;
    });
  }
  for (const int end : ends) ::close(end);
  REQUIRE_FALSE(flights[0].empty());
  REQUIRE_FALSE(flights[1].empty());
  return flights;
}

constexpr std::size_t kAlertBytes = 7;  // all that TLS says to one whom it does not understand

}  // namespace

TEST_CASE("tcp transport: a process with another secret is refused on either side, and both count it", "[transport]") {
  TcpFixture f;
  Proof theirs(kOtherSecret);
  LinkedEnds ends(f, theirs);
  auto& [one, two] = ends;
  CHECK_FALSE(f.can_talk(two, one));
  CHECK(one.transport.refusals().of(Refusal::wrong_secret) == 1);
  CHECK(two.transport.refusals().of(Refusal::wrong_secret) == 1);
  CHECK_THAT(one.notes, Catch::Contains("127.0.0.1:") && Catch::Contains("it does not have the fabric's secret"));
  CHECK_THAT(two.notes, Catch::Contains("it does not accept this side's secret"));
  CHECK_FALSE(f.can_talk(one, two));
  CHECK(one.hellos.empty());
  CHECK(two.hellos.empty());
  REQUIRE(two.messages.size() == 1);
  CHECK(std::holds_alternative<RefusedPart>(std::get<ReplyMessage>(two.messages[0].second).outcome));
}

TEST_CASE("tcp transport: secrets are exchanged one machine at a time while connections stay", "[transport]") {
  TcpFixture f;
  const std::string before = kSecret.newest_first[0];
  const std::string after = "the secret that comes afterwards";
  Proof theirs;
  LinkedEnds ends(f, theirs);
  auto& [one, two] = ends;
  REQUIRE(f.can_talk(one, two));
  const auto reconnect = [&](End& from, End& to) {
    End again(f.context, &from == &one ? f.proof : theirs, MediumKind::tcp, {NodeId{3}, 33});
    f.ends.push_back(&again);
    f.publish({kNode1, kNode2});
    const bool can = f.can_talk(again, to);
    f.ends.pop_back();
    return can;
  };
  const auto try_both_ways = [&] {
    CHECK(reconnect(one, two));
    CHECK(reconnect(two, one));
  };
  f.proof.set(epic::transport::Secrets{{after, before}});
  try_both_ways();
  theirs.set(epic::transport::Secrets{{after, before}});
  try_both_ways();
  f.proof.set(epic::transport::Secrets{{after}});
  try_both_ways();
  CHECK(f.can_talk(one, two));  // over the first connection
  CHECK(std::ranges::count(two.hellos, kNode1) == 1);
  CHECK(std::ranges::count(one.lost, kNode2) == 0);

  theirs.set(epic::transport::Secrets{{before}});
  CHECK_FALSE(reconnect(two, one));
  CHECK_FALSE(reconnect(one, two));
}

TEST_CASE("tcp transport: certificates are checked on both sides", "[transport]") {
  TcpFixture f;
  const TempDir directory;
  Authority authority(directory.path());
  Authority others(directory.path(), "others");
  f.proof.set(authority.issue("one", 1h));
  Proof theirs;
  LinkedEnds ends(f, theirs);
  auto& [one, two] = ends;
  const auto is_refused = [&](Refusal reason) {
    CHECK_FALSE(f.can_talk(two, one));
    CHECK_FALSE(f.can_talk(one, two));
    CHECK(one.transport.refusals().of(reason) >= 2);
    CHECK(two.transport.refusals().total() >= 1);  // what it is told may be lost with the connection
    CHECK(one.hellos.empty());
  };
  SECTION("one of the same authority is accepted") {
    theirs.set(authority.issue("two", 1h));
    CHECK(f.can_talk(two, one));
    CHECK(f.can_talk(one, two));
  }
  SECTION("an expired one is refused") {
    theirs.set(authority.issue("two", -1min));
    is_refused(Refusal::expired_certificate);
    CHECK_THAT(one.notes, Catch::Contains("expired"));
  }
  SECTION("one of another authority is refused") {
    auto files = others.issue("two", 1h);
    files.authority = authority.issue("any", 1h).authority;  // it would accept us
    theirs.set(files);
    is_refused(Refusal::wrong_certificate);
  }
  SECTION("a secret instead is refused") { is_refused(Refusal::wrong_certificate); }
  SECTION("one that is renewed is accepted again") {
    theirs.set(authority.issue("two", -1min));
    CHECK_FALSE(f.can_talk(two, one));
    theirs.set(authority.issue("two", 1h));
    CHECK(f.can_talk(two, one));
  }
}

TEST_CASE("tcp transport: another protocol gets no answer, and is counted", "[transport]") {
  TcpFixture f;
  End node = f.make_end(kNode1);
  f.listen(node);
  Stranger stranger(f, node);
  SECTION("plain text") { stranger.say(bytes_of("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")); }
  SECTION("frames of ours without TLS") {
    Bytes frame;
    epic::codec::append_frame(HelloMessage{.from = kNode2, .fabric = "f/1", .shard_count = 8, .methods = {}}, frame);
    stranger.say(frame);
  }
  CHECK(stranger.wait_for_end() <= kAlertBytes);
  CHECK(node.transport.refusals().of(Refusal::not_tls) == 1);
  CHECK_THAT(node.notes, Catch::Contains("was refused: it does not speak TLS"));
  CHECK(node.hellos.empty());
}

TEST_CASE("tcp transport: a recorded handshake cannot be played again", "[transport]") {
  TcpFixture f;
  End node = f.make_end(kNode1);
  f.listen(node);
  const auto flights = record_handshake(f, node);
  const auto before = node.transport.refusals().total();
  Stranger replay(f, node);
  replay.say(flights[0]);
  replay.say(flights[1]);
  replay.wait_for_end();
  CHECK(node.transport.refusals().total() == before + 1);
  CHECK(node.transport.refusals().of(Refusal::damaged) == 1);
  CHECK(node.hellos.empty());
}

TEST_CASE("tcp transport: who takes too long for the handshake, or says no Hello, is cut off", "[transport]") {
  TcpFixture f;
  End node = f.make_node({.handshake_timeout = 50ms}, {.hello_timeout = 50ms});
  f.listen(node);
  std::string why;
  SECTION("nothing is said") {
    Stranger silent(f, node);
    CHECK(silent.wait_for_end() == 0);
    why = "it did not complete the handshake in time";
  }
  SECTION("a handshake comes byte by byte") {
    const auto flights = record_handshake(f, node);
    Stranger slow(f, node);
    std::size_t said = 0;
    f.run_until("the end", [&] {
      if (said + 1 < flights[0].size()) slow.say(std::span(flights[0]).subspan(said++, 1));
      return slow.hear();
    });
    why = "it did not complete the handshake in time";
  }
  SECTION("a handshake without a Hello") {
    Stranger nameless(f, node);
    nameless.prove(f.proof);
    nameless.wait_for_end();
    why = "it did not introduce itself in time";
  }
  CHECK(node.transport.refusals().of(Refusal::slow) >= 1);
  CHECK_THAT(node.notes, Catch::Contains("127.0.0.1:") && Catch::Contains(why));
  CHECK(node.tcp->strangers() == 0);
}

TEST_CASE("tcp transport: strangers are few, the oldest makes room, and peers still get in", "[transport]") {
  TcpFixture f;
  End node = f.make_node({.strangers_max = 4});
  End peer = f.make_end(kNode2);
  f.listen(node);
  f.listen(peer);
  f.publish({kNode1, kNode2});
  std::deque<Stranger> crowd;
  for (int i = 0; i < 20; ++i) crowd.emplace_back(f, node);
  f.run_until("the crowd", [&] { return node.transport.refusals().of(Refusal::too_many) == 16; });
  CHECK(node.tcp->strangers() == 4);
  for (int i = 0; i < 16; ++i) CHECK(crowd[static_cast<std::size_t>(i)].wait_for_end() == 0);
  CHECK(f.can_talk(peer, node));
  CHECK(std::ranges::count(node.notes, '\n') == 1);  // a crowd does not fill the log
}

TEST_CASE("tcp transport: refusals are reported at once, then as a number", "[transport]") {
  TcpFixture f;
  End node = f.make_node({.report_interval = 50ms});
  f.listen(node);
  for (int i = 0; i < 5; ++i) {
    Stranger stranger(f, node);
    stranger.say(bytes_of("hello\r\n"));
    stranger.wait_for_end();
  }
  f.run_until("all are reported", [&] {
    const auto more = node.notes.find(" more were refused; the last: ");
    return more != std::string::npos || std::ranges::count(node.notes, '\n') == 5;
  });
  CHECK(node.transport.refusals().of(Refusal::not_tls) == 5);
}

TEST_CASE("tcp transport: arbitrary bytes at any stage cost that connection only", "[transport]") {
  TcpFixture f;
  LinkedEnds ends(f);
  auto& [node, peer] = ends;
  REQUIRE(f.can_talk(peer, node));
  const std::uint64_t seed = epic::test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const auto noise = [&](std::size_t bytes_max) {
    Bytes bytes(1 + random() % bytes_max);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    return bytes;
  };
  const auto damage = [&](Bytes bytes) {
    for (auto flips = 1 + random() % 4; flips > 0; --flips)
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << (random() % 8));
    return bytes;
  };
  const auto flights = record_handshake(f, node);
  const std::size_t hellos = node.hellos.size();
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    Stranger stranger(f, node);
    switch (round % 6) {
      case 0:  // instead of a handshake
        stranger.say(noise(3000));
        break;
      case 1: {  // within a record of it
        Bytes record = noise(1000);
        record.insert(record.begin(), {std::byte{22}, std::byte{3}, std::byte{1}, static_cast<std::byte>(random() % 64),
                                       static_cast<std::byte>(random())});
        stranger.say(record);
        break;
      }
      case 2:  // a first flight that was changed
        stranger.say(damage(flights[0]));
        stranger.say(flights[1]);
        break;
      case 3:  // after the first flight
        stranger.say(flights[0]);
        stranger.say(random() % 2 == 0 ? noise(500) : damage(flights[1]));
        break;
      case 4:  // after the handshake, but not of the session
        stranger.prove(f.proof);
        stranger.say(noise(500));
        break;
      default:  // by one who has the secret
        static_cast<void>(stranger.prove(f.proof).write(noise(500)));
        break;
    }
    stranger.say_no_more();
    stranger.wait_for_end();
  }
  f.run_until("all strangers have ended", [&] { return node.tcp->strangers() == 0; });
  CHECK(node.hellos.size() == hellos);
  CHECK(node.lost.empty());
  CHECK(f.can_talk(peer, node));
  CHECK(peer.lost.empty());
}

TEST_CASE("tcp transport: a machine that is gone without a word is lost", "[transport]") {
  TcpFixture f;
  End node = f.make_node({.silence_max = 1000ms});
  f.listen(node);
  Stranger gone(f, node);
  TlsSession& session = gone.prove(f.proof);
  Bytes hello;
  epic::codec::append_frame(HelloMessage{.from = kNode2, .fabric = "f/1", .shard_count = 8, .methods = {}}, hello);
  REQUIRE(session.write(hello) == hello.size());
  f.run_until("the Hello", [&] { return node.hellos.size() == 1; });
  // From here on the other machine acknowledges nothing.
  sock_filter drop_all{BPF_RET | BPF_K, 0, 0, 0};
  const sock_fprog program{1, &drop_all};
  REQUIRE(::setsockopt(gone.descriptor(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0);
  const bool is_idle = GENERATE(false, true);
  if (!is_idle) node.transport.send(kNode2, make_call(1));
  f.run_until("the loss", [&] { return node.lost == std::vector{kNode2}; });
  CHECK_THAT(node.notes, Catch::Contains("timed out"));
}

TEST_CASE("tcp transport: for a peer that reads nothing there is no room for calls, instead of a growing heap",
          "[transport]") {
  TcpFixture f;
  constexpr epic::transport::TransportLimits kLimits{.unsent_bytes_full = 1 << 20, .unsent_bytes_max = 4 << 20};
  End node = f.make_node({}, kLimits);
  f.listen(node);
  Stranger deaf(f, node);
  TlsSession& session = deaf.prove(f.proof);
  Bytes hello;
  epic::codec::append_frame(HelloMessage{.from = kNode2, .fabric = "f/1", .shard_count = 8, .methods = {}}, hello);
  REQUIRE(session.write(hello) == hello.size());
  f.run_until("the Hello", [&] { return node.hellos.size() == 1; });
  std::uint64_t sequence = 0;
  f.run_until("the bound", [&] {
    if (node.transport.has_room(kNode2)) node.transport.send(kNode2, make_call(++sequence, 100'000));
    f.context.post([] {});
    return !node.transport.has_room(kNode2) && node.transport.unsent_bytes() > kLimits.unsent_bytes_full;
  });
  CHECK(node.transport.unsent_bytes() < kLimits.unsent_bytes_full + 200'000);
  while (node.lost.empty()) {  // replies cannot be refused
    node.transport.send(kNode2, ReplyMessage{1, ResultPart{Bytes(500'000)}});
    REQUIRE(node.transport.unsent_bytes() < kLimits.unsent_bytes_max + 1'000'000);
    node.transport.on_time(1);
  }
}

TEST_CASE("tcp transport: nothing listens without credentials, and errors name the address", "[transport]") {
  TcpFixture f;
  epic::transport::TcpMedium medium(f.context, [] { return std::unexpected(std::string("there is no secret")); });
  const auto refused = medium.listen("127.0.0.1:0", [](auto) {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == "there is no secret");
  CHECK(medium.listening_at().empty());
  End node = f.make_end(kNode1);
  const auto elsewhere = node.transport.listen("192.0.2.1:0");  // an address that no machine has
  REQUIRE_FALSE(elsewhere);
  CHECK(elsewhere.error() == "cannot listen on 192.0.2.1:0: Cannot assign requested address");
}
