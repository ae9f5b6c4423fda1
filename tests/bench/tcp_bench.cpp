// What a call to another machine costs on its way: a call and its reply between the transports of two processes, over
// TCP with TLS. Round trips against a bare TLS socket, calls with 256 in flight against the same transports over UNIX
// sockets.
//
//     epic_bench_tcp

#include <fmt/format.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>

#include "bench/bare_tls.hpp"
#include "bench/bench_support.hpp"
#include "support/child.hpp"
#include "support/temp_dir.hpp"
#include "transport/make_transport.hpp"
#include "transport/tcp_place.hpp"

using namespace epic;
using namespace epic::bench;
using namespace epic::kernel;

namespace {

constexpr PeerAddress kCaller{NodeId{1}, 11};
constexpr PeerAddress kCallee{NodeId{2}, 22};
constexpr std::uint64_t kInFlight = 256;

/// A transport on an event loop, as a node drives it.
struct End {
  End(PeerAddress self, const protocol::MachinePlace& its_place, std::function<void(const Message&)> on_message)
      : place(its_place),
        transport(transport::make_transport(
            io,
            {.on_hello = [](const PeerAddress&, const HelloMessage&) {},
             .on_message = [on_message = std::move(on_message)](const PeerAddress&,
                                                                const Message& message) { on_message(message); },
             .on_lost = [](const PeerAddress&) { throw std::runtime_error("the other end is lost"); },
             .on_map = {},
             .on_unmet = {},
             .on_note = {}},
            place)) {
    transport->introduce({.from = self, .fabric = "bench/1", .shard_count = 8, .methods = {}});
  }

  void tick() {
    transport->on_time(std::chrono::steady_clock::now().time_since_epoch().count());
    transport->flush();
    io.run_one();
    io.poll();
  }

  protocol::MachinePlace place;
  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::unique_ptr<transport::Transport> transport;
};

/// Calls to a process that answers each at once.
class Calls {
 public:
  enum class Over : std::uint8_t { unix_sockets, tcp };

  Calls(Over over, const std::filesystem::path& directory, const protocol::TcpPlace& tcp)
      : callee_([&](const test::Reporter& report) {
          std::unique_ptr<End> end;
          end = std::make_unique<End>(
              kCallee, protocol::MachinePlace{.machine = "callee", .tcp = tcp}, [&end](const Message& message) {
                if (const auto* call = std::get_if<CallMessage>(&message))
                  end->transport->send(
                      kCaller, ReplyMessage{call->id.sequence, ResultPart{.bytes = std::vector<std::byte>(16)}});
              });
          static_cast<void>(end->transport->listen(socket_in(directory, over)).value());
          report.line(fmt::format("{}", transport::listen_at(*end->transport, tcp).value()));
          while (true) end->tick();
        }),
        caller_(kCaller, {.machine = over == Over::tcp ? "caller" : "callee", .tcp = tcp},
                [this](const Message&) { ++answered_; }) {
    ShardMap map{
        .version = MapVersion{1}, .owners = std::vector<NodeId>(8), .members = {}, .moving = {}, .owned_since = {}};
    map.members.push_back({kCallee.node, Incarnation{kCallee.life}, socket_in(directory, over), "callee", tcp.host,
                           static_cast<std::uint16_t>(std::stoi(callee_.read_line().value()))});
    caller_.transport->set_map(map);
    run(1, 1);
  }

  void run(std::uint64_t count, std::uint64_t in_flight) {
    const std::uint64_t end = answered_ + count;
    while (answered_ < end) {
      for (; sent_ < end && sent_ - answered_ < in_flight; ++sent_)
        caller_.transport->send(kCallee, {CallMessage{.id = {kCaller.node, kCaller.life, sent_ + 1},
                                                      .target = "Counter/a",
                                                      .method = 0,
                                                      .map_version = MapVersion{1},
                                                      .patience_ns = 1'000'000'000,
                                                      .chain = {},
                                                      .arguments = std::vector<std::byte>(16),
                                                      .extensions = {}}});
      caller_.tick();
    }
  }

 private:
  static std::string socket_in(const std::filesystem::path& directory, Over over) {
    return (directory / (over == Over::tcp ? "a.sock" : "b.sock")).string();
  }

  test::Child callee_;
  End caller_;
  std::uint64_t sent_ = 0;
  std::uint64_t answered_ = 0;
};

}  // namespace

int main() {
  print_warnings();
  const test::TempDir directory;
  const auto secret = directory.path() / "secret";
  std::ofstream(secret) << "the secret of this benchmark\n";
  std::filesystem::permissions(secret, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const protocol::TcpPlace tcp{
      .host = "127.0.0.1", .secret_file = secret.string(), .authority = {}, .certificate = {}, .key = {}};
  BareTlsEcho bare;
  Calls far(Calls::Over::tcp, directory.path(), tcp);
  Calls near(Calls::Over::unix_sockets, directory.path(), tcp);
  compare({.title = "a call and its reply over TCP with TLS, one at a time",
           .subject = {"transport", [&](std::uint64_t count) { far.run(count, 1); }},
           .yardstick = {"bare TLS socket, 64 bytes",
                         [&](std::uint64_t count) {
                           for (std::uint64_t i = 0; i < count; ++i) bare.round_trip();
                         }},
           .count = 2'000});
  compare({.title = fmt::format("calls with {} in flight", kInFlight),
           .subject = {"TCP with TLS", [&](std::uint64_t count) { far.run(count, kInFlight); }},
           .yardstick = {"UNIX sockets", [&](std::uint64_t count) { near.run(count, kInFlight); }},
           .count = 50'000});
}
