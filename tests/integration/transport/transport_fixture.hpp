#pragma once
// Transports of several processes over real sockets of either medium, on one event loop.

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernel/messages.hpp"
#include "support/temp_dir.hpp"
#include "transport/make_transport.hpp"
#include "transport/peers.hpp"
#include "transport/tcp_medium.hpp"
#include "transport/unix_medium.hpp"

namespace epic::test {

using namespace epic::kernel;
namespace asio = boost::asio;

constexpr PeerAddress kNode1{NodeId{1}, 11};
constexpr PeerAddress kNode2{NodeId{2}, 22};

enum class MediumKind : std::uint8_t { unix_sockets, tcp };

inline const transport::Secrets kSecret{{"a secret that the fabric's machines have"}};

/// What a process has to prove itself by, as it is at the time of each connection.
struct Proof {
  Proof() { set(kSecret); }
  explicit Proof(const transport::Credentials& credentials) { set(credentials); }
  void set(const transport::Credentials& credentials) {
    auto made = transport::TlsContext::make(credentials);
    REQUIRE(made);
    context = *std::move(made);
  }
  [[nodiscard]] transport::TcpMedium::GetContext get() {
    return [this] { return context; };
  }
  transport::TlsContextPtr context;
};

/// One end: a transport, and the events it was given.
struct End {
  /// `proof` outlives it.
  End(asio::io_context& io, Proof& proof, MediumKind kind, PeerAddress self, std::string fabric = "f/1",
      std::uint32_t shards = 8, transport::TcpLimits limits = {}, transport::TransportLimits peer_limits = {})
      : address(self), owned(make(io, proof, kind, limits, peer_limits)), transport(*owned) {
    transport.introduce({.from = self, .fabric = std::move(fabric), .shard_count = shards, .methods = {}});
  }
  /// On a machine; `place` outlives it.
  End(asio::io_context& io, PeerAddress self, const protocol::MachinePlace& place)
      : address(self), owned(transport::make_transport(io, events(), place)), transport(*owned) {
    transport.introduce({.from = self, .fabric = "f/1", .shard_count = 8, .methods = {}});
  }

  PeerAddress address;
  std::vector<PeerAddress> hellos;
  std::vector<std::pair<PeerAddress, Message>> messages;
  std::vector<PeerAddress> lost;
  std::vector<PeerAddress> with_room;  // again
  std::vector<ShardMap> maps;
  std::vector<std::string> unmet;
  std::string notes;
  transport::TcpMedium* tcp = nullptr;
  std::unique_ptr<transport::Transport> owned;
  transport::Transport& transport;

 private:
  std::unique_ptr<transport::Transport> make(asio::io_context& io, Proof& proof, MediumKind kind,
                                             transport::TcpLimits limits, transport::TransportLimits peer_limits) {
    std::unique_ptr<transport::Medium> medium;
    if (kind == MediumKind::unix_sockets) {
      medium = std::make_unique<transport::UnixMedium>(io);
    } else {
      auto made = std::make_unique<transport::TcpMedium>(io, proof.get(), limits);
      tcp = made.get();
      medium = std::move(made);
    }
    return std::make_unique<transport::Peers>(std::move(medium), events(), peer_limits);
  }

  transport::TransportEvents events() {
    transport::TransportEvents events{
        .on_hello = [this](const PeerAddress& from, HelloMessage) { hellos.push_back(from); },
        .on_message = [this](const PeerAddress& from,
                             Message message) { messages.emplace_back(from, std::move(message)); },
        .on_lost = [this](const PeerAddress& peer) { lost.push_back(peer); },
        .on_room = [this](const PeerAddress& peer) { with_room.push_back(peer); },
        .on_map = {},
        .on_unmet = [this](const std::string& where, const std::string&) { unmet.push_back(where); },
        .on_note = [this](LogLevel, const std::string& text) { notes += text + "\n"; }};
    if (address.is_client())
      events.on_map = [this](const PeerAddress&, ShardMap map) { maps.push_back(std::move(map)); };
    return events;
  }
};

struct TransportFixture {
  explicit TransportFixture(MediumKind its_kind) : kind(its_kind) {}

  MediumKind kind;
  TempDir directory;
  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  Proof proof;
  std::vector<End*> ends;
  std::filesystem::path folder;  // of UNIX sockets

  [[nodiscard]] End make_end(PeerAddress self, std::string fabric = "f/1", std::uint32_t shards = 8) {
    return {context, proof, kind, self, std::move(fabric), shards};
  }
  /// Where a node listens, or could.
  [[nodiscard]] std::string path(NodeId node) {
    if (kind == MediumKind::unix_sockets) return (directory.path() / folder / fmt::format("{}.sock", node)).string();
    if (!ports_.contains(node)) ports_[node] = reserve();
    return ports_[node];
  }
  void listen(End& end) {
    ports_.erase(end.address.node);
    REQUIRE(end.transport.listen(kind == MediumKind::tcp ? "127.0.0.1:0" : path(end.address.node)).has_value());
    if (end.tcp != nullptr) ports_[end.address.node] = end.tcp->listening_at();
    ends.push_back(&end);
  }
  void publish(std::initializer_list<PeerAddress> members) {
    ShardMap map{
        .version = MapVersion{1}, .owners = std::vector<NodeId>(8), .members = {}, .moving = {}, .owned_since = {}};
    for (const PeerAddress& member : members) {
      map.members.push_back({member.node, Incarnation{member.life}, path(member.node)});
      if (kind == MediumKind::unix_sockets) continue;
      const auto endpoint = transport::parse_tcp_address(path(member.node)).value();
      map.members.back().host = endpoint.address().to_string();
      map.members.back().port = endpoint.port();
    }
    for (End* end : ends) end->transport.set_map(map);
  }
  /// Runs until `is_met` returns true; on timeout, prints what it waited for.
  template <class Condition>
  void run_until(const char* what, Condition is_met) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
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

 private:
  /// A port that nobody listens on.
  std::string reserve() {
    auto& socket = reserved_.emplace_back(context);
    socket.open(asio::ip::tcp::v4());
    socket.bind({asio::ip::make_address("127.0.0.1"), 0});
    return transport::format_tcp_address(socket.local_endpoint());
  }

  std::map<NodeId, std::string> ports_;
  std::vector<asio::ip::tcp::acceptor> reserved_;
};

/// Two nodes that know of each other.
struct LinkedEnds {
  explicit LinkedEnds(TransportFixture& f) : LinkedEnds(f, f.proof) {}
  LinkedEnds(TransportFixture& f, Proof& proof_of_two)
      : one(f.make_end(kNode1)), two(f.context, proof_of_two, f.kind, kNode2) {
    f.listen(one);
    f.listen(two);
    f.publish({kNode1, kNode2});
  }
  End one;
  End two;
};

inline CallMessage make_call(std::uint64_t sequence, std::size_t argument_bytes = 8, PeerAddress from = kNode1) {
  return {.id = {from.node, from.life, sequence},
          .target = "Counter/a",
          .method = 0,
          .map_version = MapVersion{1},
          .patience_ns = 1,
          .chain = {},
          .arguments = std::vector<std::byte>(argument_bytes)};
}

}  // namespace epic::test
