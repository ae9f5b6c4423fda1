// Random fabrics of peer state machines over a network that pauses, cuts, half-cuts and refuses, with maps that lag
// behind and applications that call again from within each report: whatever happens, every call ends exactly once, in
// order, and nothing but a late answer is heard of a peer after its loss.

#include <catch2/catch.hpp>
#include <set>

#include "support/frames.hpp"
#include "support/peer_process.hpp"
#include "support/pipe_net.hpp"
#include "transport/peers.hpp"

using namespace epic::kernel;
using epic::test::address_of;
using epic::test::call_of;
using epic::test::map_of;
using epic::test::PipeNet;
namespace transport = epic::transport;

namespace {

constexpr transport::TransportLimits kLimits{.unsent_bytes_full = 6'000, .unsent_bytes_max = 20'000};

struct World;

/// An application above the state machine: answers each call at once, and keeps the books on its own.
struct App {
  App(World& its_world, PeerAddress its_address);

  void call(PeerAddress to);
  void on_hello(const PeerAddress& from);
  void on_message(const PeerAddress& from, const Message& message);
  void on_lost(const PeerAddress& peer);
  void note_room(PeerAddress to);
  void call_any();

  World& world;
  PeerAddress self;
  std::uint64_t next_sequence = 1;
  std::map<PeerAddress, std::set<std::uint64_t>> waiting;  // calls that have not ended, by the peer that they went to
  std::set<std::pair<PeerAddress, std::uint64_t>> lost;    // calls that ended with the loss of their peer
  std::map<PeerAddress, std::uint64_t> loss_count;
  std::set<PeerAddress> full;             // no room for calls
  std::optional<PeerAddress> refused_by;  // just now; its loss may follow, and there is room from then on
  /// Peers that have introduced themselves; their newest call, by how often they had lost us when they made it.
  std::map<PeerAddress, std::map<std::uint64_t, std::uint64_t>> newest_of;
  std::vector<PeerAddress> members;  // of the map that it knows
  bool is_parting = false;
  std::unique_ptr<transport::Peers> peers;
};

struct World {
  explicit World(std::uint64_t seed) : random(seed) {}

  [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return random() % below; }
  void start(std::uint16_t node) {
    apps[node] = std::make_unique<App>(*this, PeerAddress{NodeId{node}, ++lives});
    publish();
  }
  void publish() {
    std::vector<PeerAddress> members;
    for (const auto& [node, app] : apps) members.push_back(app->self);
    for (const auto& [node, app] : apps) {
      if (!app->members.empty() && draw(4) == 0) continue;  // it hears of a later one
      app->members = members;
      app->peers->set_map(map_of(++versions, members));
    }
  }
  void tick() {
    for (const auto& [node, app] : apps) {
      app->peers->on_time(now_ns);
      app->peers->flush();
    }
  }
  bool step() {
    auto steps = net.steps();
    if (steps.empty()) return false;
    steps[draw(steps.size())](draw(4) == 0 ? 1 : 1 + draw(3'000));
    return true;
  }
  void disturb();
  void settle() {
    do tick();
    while (step());
  }

  std::mt19937_64 random;
  PipeNet net;
  std::int64_t now_ns = 1;
  std::uint64_t lives = 100;
  std::uint64_t versions = 0;
  std::map<std::uint16_t, std::unique_ptr<App>> apps;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> loss_counts;  // of the caller when it made a call
  std::set<std::pair<std::uint64_t, std::uint64_t>> heard;  // calls that have reached somebody: life, sequence
  std::size_t results = 0;
  std::size_t refusals = 0;
  std::size_t losses = 0;
  std::size_t times_full = 0;
};

App::App(World& its_world, PeerAddress its_address) : world(its_world), self(its_address) {
  peers = std::make_unique<transport::Peers>(
      world.net.make_medium(),
      transport::TransportEvents{
          .on_hello = [this](const PeerAddress& from, const HelloMessage&) { on_hello(from); },
          .on_message = [this](const PeerAddress& from, const Message& message) { on_message(from, message); },
          .on_lost = [this](const PeerAddress& peer) { on_lost(peer); },
          .on_room =
              [this](const PeerAddress& peer) {
                REQUIRE(full.erase(peer) == 1);
                REQUIRE(peers->has_room(peer));
                call_any();
              },
          .on_map = {},
          .on_unmet = {},
          .on_note = {}},
      kLimits);
  peers->on_time(world.now_ns);
  peers->introduce({.from = self, .fabric = "f/1", .shard_count = 8, .methods = {}});
  REQUIRE(peers->listen(address_of(self)).has_value());
}

void App::call(PeerAddress to) {
  REQUIRE((peers->has_room(to) == !full.contains(to) || to == refused_by));
  if (!peers->has_room(to)) return;
  const std::uint64_t sequence = next_sequence++;
  waiting[to].insert(sequence);
  world.loss_counts[{self.life, sequence}] = loss_count[to];
  peers->send(to, call_of(self, sequence, world.draw(10) == 0 ? 5'000 : world.draw(200)));
  note_room(to);
}

/// After something was sent there. It lasts until on_room or on_lost.
void App::note_room(PeerAddress to) {
  if (peers->has_room(to) || !full.insert(to).second) return;
  ++world.times_full;
}

/// One that its map names, which may be the one that it has just heard of.
void App::call_any() {
  if (is_parting || members.empty() || world.draw(2) == 0) return;
  const PeerAddress to = members[world.draw(members.size())];
  if (to.node != self.node) call(to);
}

void App::on_hello(const PeerAddress& from) { newest_of.try_emplace(from); }

void App::on_message(const PeerAddress& from, const Message& message) {
  if (const auto* call = std::get_if<CallMessage>(&message)) {
    REQUIRE(newest_of.contains(from));  // it has introduced itself, and is not lost
    REQUIRE_FALSE(is_parting);
    std::uint64_t& newest = newest_of[from][world.loss_counts.at({call->id.life, call->id.sequence})];
    REQUIRE(call->id.sequence > newest);
    newest = call->id.sequence;
    REQUIRE(world.heard.emplace(call->id.life, call->id.sequence).second);
    peers->send(from, ReplyMessage{call->id.sequence, ResultPart{}});
    note_room(from);
    return;
  }
  const auto& reply = std::get<ReplyMessage>(message);
  const bool is_refused = std::holds_alternative<RefusedPart>(reply.outcome);
  std::set<std::uint64_t> ended{reply.sequence};
  if (reply.sequence == 0) {  // it stops, and has not begun what it has not answered
    REQUIRE(is_refused);
    ended = waiting[from];
  }
  for (const std::uint64_t sequence : ended) {
    const bool was_heard = world.heard.contains({self.life, sequence});
    if (lost.contains({from, sequence}) && was_heard) continue;  // it was lost here while its answer was on its way
    REQUIRE(waiting[from].erase(sequence) == 1);
    REQUIRE(was_heard == std::holds_alternative<ResultPart>(reply.outcome));
    ++(was_heard ? world.results : world.refusals);
  }
  if (!is_refused) return;
  refused_by = from;
  if (!is_parting && world.draw(3) == 0)
    call(from);
  else
    call_any();
  refused_by.reset();
}

void App::on_lost(const PeerAddress& peer) {
  full.erase(peer);
  newest_of.erase(peer);
  ++loss_count[peer];
  world.losses += waiting[peer].size();
  for (const std::uint64_t sequence : waiting[peer]) lost.emplace(peer, sequence);
  waiting.erase(peer);
  call_any();
}

/// Something that happens to a fabric.
void World::disturb() {
  const auto any_end = [this]() -> PipeNet::End {
    return net.ends().empty() ? nullptr : net.ends()[draw(net.ends().size())];
  };
  const std::uint16_t node = 1 + static_cast<std::uint16_t>(draw(3));
  switch (draw(12)) {
    case 0:  // a connection breaks, for one side at first or for good
      if (const auto end = any_end()) end->cut();
      return;
    case 1:  // a process is killed, and starts again in its next life
      apps.erase(node);
      return start(node);
    case 2:  // a process stops in order, and starts again
      apps[node]->is_parting = true;
      apps[node]->peers->hide();
      apps[node]->peers->part();
      settle();
      now_ns += 11'000'000'000;  // strangers are not waited for longer
      settle();
      REQUIRE(apps[node]->peers->is_alone());
      apps.erase(node);
      return start(node);
    case 3:  // garbage from outside
      if (const auto stranger = net.dial(address_of(apps[node]->self))) {
        const std::vector<std::byte> noise(1 + draw(40), std::byte{7});
        static_cast<void>(stranger->write(noise));
        if (draw(2) == 0) stranger->close();
      }
      return;
    case 4:
      net.capacity = draw(2) == 0 ? 100 : 100'000;
      return;
    case 5:
      now_ns += static_cast<std::int64_t>(draw(12'000'000'000));
      return;
    default:
      return;
  }
}

}  // namespace

TEST_CASE("peers: whatever the network does, every call ends once, in order, and nothing is heard of the lost",
          "[transport]") {
  const std::uint64_t base = epic::test::make_seed();
  std::size_t results = 0, refusals = 0, losses = 0, times_full = 0;
  for (std::uint64_t seed = base; seed < base + 60; ++seed) {
    CAPTURE(seed);
    World world(seed);
    for (std::uint16_t node = 1; node <= 3; ++node) world.start(node);
    for (int round = 0; round < 400; ++round) {
      const std::uint16_t from = 1 + static_cast<std::uint16_t>(world.draw(3));
      const std::uint16_t to = 1 + static_cast<std::uint16_t>(world.draw(3));
      if (from != to) world.apps[from]->call(world.apps[to]->self);
      if (world.draw(10) == 0) world.apps[from]->peers->meet(address_of(world.apps[1 + from % 3]->self));
      for (auto moves = world.draw(12); moves > 0 && world.step(); --moves)
        if (world.draw(3) == 0) world.tick();
      if (world.draw(8) == 0) world.disturb();
    }
    world.settle();
    world.now_ns += 11'000'000'000;
    world.settle();
    for (const auto& [node, app] : world.apps) {
      for (const auto& [peer, calls] : app->waiting) REQUIRE(calls.empty());
      REQUIRE(app->full.empty());
    }
    results += world.results;
    refusals += world.refusals;
    losses += world.losses;
    times_full += world.times_full;
  }
  CAPTURE(base, results, refusals, losses, times_full);
  CHECK(results > 1'000);  // or the test looks at nothing
  CHECK(refusals > 100);
  CHECK(losses > 100);
  CHECK(times_full > 10);
}
