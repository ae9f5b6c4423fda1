// Nodes of several machines: UNIX sockets inside a machine, TCP between machines.
#include <sys/stat.h>

#include <fstream>

#include "integration/transport/transport_fixture.hpp"
#include "transport/tcp_place.hpp"

using namespace epic::kernel;
using namespace epic::test;
using epic::protocol::MachinePlace;
using epic::transport::Refusal;

namespace {

constexpr PeerAddress kNode3{NodeId{3}, 33};
const std::string kFirstSecret = "the first secret of these machines";
const std::string kNextSecret = "the secret that comes afterwards";

void write_private(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path fresh = path.string() + ".new";
  std::ofstream(fresh) << text;
  REQUIRE(::chmod(fresh.c_str(), 0600) == 0);
  std::filesystem::rename(fresh, path);
}

/// Machine `name` at 127.0.0.`number`, with a secret file of its own.
struct Machine {
  Machine(const TransportFixture& f, const std::string& name, int number)
      : place{.machine = name,
              .tcp = {.host = fmt::format("127.0.0.{}", number),
                      .secret_file = (f.directory.path() / (name + ".secret")).string(),
                      .authority = {},
                      .certificate = {},
                      .key = {}}} {
    set_secrets(kFirstSecret);
  }
  void set_secrets(const std::string& lines) const { write_private(place.tcp.secret_file, lines + "\n"); }
  MachinePlace place;
};

struct MachinesFixture : TransportFixture {
  MachinesFixture() : TransportFixture(MediumKind::unix_sockets) {}

  /// Listens, as a node of the machine does.
  void open(End& end, const Machine& machine) {
    REQUIRE(end.transport.listen(path(end.address.node)));
    ShardMap::Member member{end.address.node, Incarnation{end.address.life}, path(end.address.node),
                            machine.place.machine};
    if (!machine.place.tcp.host.empty()) {
      const auto port = epic::transport::listen_at(end.transport, machine.place.tcp);
      if (!port) FAIL(port.error());
      member.host = machine.place.tcp.host;
      member.port = *port;
    }
    members.push_back(member);
    ends.push_back(&end);
  }
  void publish_members() {
    for (End* end : ends)
      end->transport.set_map({.version = MapVersion{1},
                              .owners = std::vector<NodeId>(8),
                              .members = members,
                              .moving = {},
                              .owned_since = {}});
  }
  /// Sends a call; true if it arrives, false if the peer is lost instead.
  bool can_call(End& from, End& to) {
    const std::size_t heard = to.messages.size();
    const std::size_t lost = from.lost.size();
    from.transport.send(to.address, make_call(1, 8, from.address));
    run_until("the call or the loss", [&] { return to.messages.size() > heard || from.lost.size() > lost; });
    return to.messages.size() > heard;
  }

  std::vector<ShardMap::Member> members;
};

}  // namespace

TEST_CASE("machine transport: the name of a machine decides between its socket and TCP, not the path", "[transport]") {
  MachinesFixture f;
  const Machine a(f, "a", 1);
  const Machine b(f, "b", 2);
  End one(f.context, kNode1, a.place);
  End two(f.context, kNode2, a.place);
  End three(f.context, kNode3, b.place);
  f.open(one, a);
  f.open(two, a);
  f.open(three, b);
  f.members[1].port = 1;                     // nobody listens there
  f.members[2].address = f.path(NodeId{2});  // as in a project at the same place
  f.publish_members();
  CHECK(f.can_call(one, two));
  CHECK(f.can_call(one, three));
  CHECK(f.can_call(three, one));
  CHECK_FALSE(f.can_call(three, two));
}

TEST_CASE("machine transport: machines without a secret talk over UNIX sockets, and listen nowhere else",
          "[transport]") {
  MachinesFixture f;
  Machine a(f, "a", 1);
  Machine b(f, "b", 2);
  for (Machine* machine : {&a, &b}) machine->place.tcp = {};
  End one(f.context, kNode1, a.place);
  End two(f.context, kNode2, b.place);
  f.open(one, a);
  f.open(two, b);
  f.publish_members();
  CHECK(f.can_call(one, two));
  CHECK_THAT(epic::transport::listen_at(
                 one.transport, {.host = "127.0.0.1", .secret_file = {}, .authority = {}, .certificate = {}, .key = {}})
                 .error(),
             Catch::Contains("cannot listen on 127.0.0.1:0: There is neither a secret nor a certificate"));
}

TEST_CASE("machine transport: a node takes the first port of its machine that is free", "[transport]") {
  MachinesFixture f;
  Machine a(f, "a", 1);
  End one(f.context, kNode1, a.place);
  End two(f.context, kNode2, a.place);
  End three(f.context, kNode3, a.place);
  f.open(one, a);
  auto& tcp = a.place.tcp;
  tcp.first_port = f.members[0].port;
  tcp.last_port = static_cast<std::uint16_t>(tcp.first_port + 30);
  const auto port = epic::transport::listen_at(two.transport, tcp);
  REQUIRE(port);
  CHECK(*port > tcp.first_port);
  CHECK(*port <= tcp.last_port);
  tcp.last_port = tcp.first_port;
  CHECK_THAT(epic::transport::listen_at(three.transport, tcp).error(), Catch::Contains("Address already in use"));
  tcp.host = "0.0.0.0";
  CHECK_THAT(epic::transport::listen_at(three.transport, tcp).error(),
             Catch::Contains("0.0.0.0 is not an address by which other machines can reach this one"));
}

TEST_CASE("machine transport: secrets are exchanged in turn under load, and no call is lost", "[transport]") {
  MachinesFixture f;
  const Machine a(f, "a", 1);
  const Machine b(f, "b", 2);
  End one(f.context, kNode1, a.place);
  End two(f.context, kNode2, b.place);
  f.open(one, a);
  f.open(two, b);
  f.publish_members();
  std::uint64_t sent = 0;
  std::uint16_t newcomers = 10;
  // Calls over the connections that are there, and over new ones in both directions.
  const auto go_on = [&] {
    for (int i = 0; i < 20; ++i) {
      ++sent;
      one.transport.send(kNode2, make_call(sent));
      two.transport.send(kNode1, make_call(sent, 8, kNode2));
    }
    End from_a(f.context, {NodeId{++newcomers}, 1}, a.place);
    End from_b(f.context, {NodeId{++newcomers}, 1}, b.place);
    f.ends.push_back(&from_a);
    f.ends.push_back(&from_b);
    f.publish_members();
    CHECK(f.can_call(from_a, two));
    CHECK(f.can_call(from_b, one));
    f.ends.resize(2);
  };
  const auto both = kNextSecret + "\n" + kFirstSecret;
  go_on();
  for (const auto& [machine, secrets] :
       {std::pair(&a, both), std::pair(&b, both), std::pair(&a, kNextSecret), std::pair(&b, kNextSecret)}) {
    machine->set_secrets(secrets);
    go_on();
  }
  const auto count = [](const End& end, PeerAddress from) {
    return static_cast<std::uint64_t>(std::ranges::count(end.messages, from, &std::pair<PeerAddress, Message>::first));
  };
  f.run_until("all calls", [&] { return count(one, kNode2) == sent && count(two, kNode1) == sent; });
  CHECK(std::ranges::count(one.lost, kNode2) == 0);
  CHECK(std::ranges::count(two.lost, kNode1) == 0);

  b.set_secrets("a secret that no other machine has");
  End late(f.context, {NodeId{++newcomers}, 1}, a.place);
  f.ends.push_back(&late);
  f.publish_members();
  CHECK_FALSE(f.can_call(late, two));
  CHECK(late.transport.refusals().of(Refusal::wrong_secret) == 1);
}
