// A node without entities that misbehaves on request, so that a supervisor can be tested without a runtime.
//
// The content of the module's file selects how it starts:
//   good              becomes ready
//   refuse            reports that it cannot start, and exits with 1
//   refuse-one        as refuse, if it is the first; the others never become ready
//   exit3             writes two lines, and exits with 3
//   exit-loudly       the same, with ten lines of 60,000 letters
//   late              becomes ready when the project's directory contains `go`
//   crash-once        kills itself, unless the project's directory contains `crashed`
//   silent-start      never becomes ready
//   setup-throws      starts, and its setup fails
//   setup-hangs       starts, and its setup does not end
//   setup-crash-once  starts, and dies in setup, unless the project's directory contains `crashed`
//   slow-stop         starts, and ignores Stop
//   foreign           starts, and is of a version that does not understand this one
//   former            starts, and is of a version from before the numbers of what is spoken
// A method called on any of its entities selects what it does then: crash, exit, hang (no heartbeats), turn (one that
// never ends), noise (garbage on the channel), say (prints the first argument), echo (anything else: returns its
// arguments).

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "codec/message_frames.hpp"
#include "kernel/placement.hpp"
#include "protocol/json.hpp"
#include "protocol/log_line.hpp"
#include "protocol/supervision.hpp"
#include "transport/unix_socket.hpp"

namespace {

namespace json = boost::json;
namespace codec = epic::codec;
namespace protocol = epic::protocol;
using Clock = std::chrono::steady_clock;

/// Dies as from a bad pointer, with or without a sanitizer.
void crash() {
  ::signal(SIGSEGV, SIG_DFL);
  ::raise(SIGSEGV);
}

class FakeNode {
 public:
  int run() {
    beat_at_ = Clock::now() + std::chrono::hours(1);  // until it is configured
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(beat_at_ - Clock::now()).count();
      pollfd readable{protocol::kSupervisionFd, POLLIN, 0};
      ::poll(&readable, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
      if (Clock::now() >= beat_at_) beat();
      if (readable.revents != 0 && !receive()) return exit_code_;
    }
  }

 private:
  void beat() {
    beat_at_ = Clock::now() + configure_.options.heartbeat;
    if (is_hanging_) return;
    const auto turn = is_in_turn_ ? Clock::now() - turn_began_at_ : Clock::duration(0);
    protocol::Heartbeat heartbeat;
    heartbeat.counters.entities = entities_.size();
    heartbeat.counters.resident_bytes = 12u << 20;
    heartbeat.turn_in_progress = turn;
    send(heartbeat);
  }

  void send(const protocol::FromNode& message) {
    std::vector<std::byte> frame;
    writer_.append(message, frame);
    for (std::size_t sent = 0; sent < frame.size();) {
      const ssize_t count = ::send(protocol::kSupervisionFd, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) std::_Exit(9);  // the supervisor has died
      sent += static_cast<std::size_t>(count);
    }
  }

  void say(const std::string& message) const {
    const std::string line =
        protocol::format_log_line({std::chrono::system_clock::now(), "", protocol::LogLevel::info, "", message});
    (void)!::write(protocol::kLogFd, line.data(), line.size());
  }

  bool receive() {
    const auto room = buffer_.prepare();
    const ssize_t count = ::recv(protocol::kSupervisionFd, room.data(), room.size(), 0);
    if (count <= 0) return false;
    buffer_.commit(static_cast<std::size_t>(count));
    while (true) {
      const auto payload = buffer_.next();
      if (!payload) return false;
      if (!payload->has_value()) return true;
      const auto message = reader_.read(**payload);
      if (!message || !std::visit([this](const auto& one) { return on(one); }, *message)) return false;
    }
  }

  // Each returns false if the node is to exit.

  bool on(const protocol::Configure& configure) {
    configure_ = configure;
    std::getline(std::ifstream(configure.module_path), module_);
    beat();
    if (module_ == "refuse" || (module_ == "refuse-one" && configure.node.value == 1)) {
      send(protocol::StartFailed{"the module is of epic 0.0.1", "Run 'epic build'."});
      exit_code_ = 1;
      return false;
    }
    if (module_ == "exit3") {
      std::fputs("cannot go on\n\x1b[31mreally not\x1b[0m\n", stderr);
      exit_code_ = 3;
      return false;
    }
    if (module_ == "crash-once" && is_first()) crash();
    if (module_ == "exit-loudly") {
      for (int i = 0; i < 10; ++i) std::fprintf(stderr, "%s\n", std::string(60'000, 'x').c_str());
      exit_code_ = 3;
      return false;
    }
    while (module_ == "late" && !std::filesystem::exists("go")) ::poll(nullptr, 0, 5);
    if (module_ == "silent-start" || module_ == "refuse-one") return true;
    listen(configure.socket_path);
    say("hello from " + std::to_string(configure.node.value));
    protocol::Spoken speaks = protocol::kSpoken;
    if (module_ == "former") speaks = {};
    if (module_ == "foreign") speaks = {.number = speaks.number + 1, .oldest = speaks.number + 1};
    send(protocol::Ready{.pid = ::getpid(),
                         .version = speaks == protocol::kSpoken ? "1.2.3" : "0.0.1",
                         .abi_tag = "fake",
                         .speaks = speaks});
    return true;
  }

  /// Listens as a real node does, but accepts nothing.
  static void listen(const std::string& path) {
    if (!epic::transport::listen_unix_socket(path)) std::_Exit(8);
  }

  bool is_first() const {
    // In the working directory, which is the project's.
    FILE* file = std::fopen("crashed", "wx");
    if (file) std::fclose(file);
    return file != nullptr;
  }

  bool on(const protocol::MapChange& change) {
    auto map = protocol::apply_map_change(map_, change);
    if (map) return on(map_ = std::move(*map));
    send(protocol::MapWanted{map_.version});
    return true;
  }

  bool on(const protocol::ShardMap& map) {
    protocol::Taken taken{{}, map.version};
    for (std::uint32_t shard = 0; shard < map.owners.size(); ++shard) {
      const bool is_ours = map.owners[shard] == configure_.node;
      const bool is_moving = std::ranges::find(map.moving, epic::kernel::ShardId{shard}) != map.moving.end();
      if (is_ours && !owned_[shard] && !is_moving)
        taken.shards.push_back({epic::kernel::ShardId{shard}, epic::kernel::Epoch{++epoch_}});
      owned_[shard] = is_ours && (owned_[shard] || !is_moving);
    }
    send(taken);
    return true;
  }

  bool on(const protocol::Release& release) {
    for (const auto shard : release.shards) {
      owned_[shard.value] = false;
      send(protocol::Released{shard, release.map_version});
    }
    return true;
  }

  bool on(const protocol::GoOn&) { return true; }

  bool on(const protocol::Leave&) { return true; }
  bool on(const protocol::Quarantined&) { return true; }
  bool on(const protocol::AnnounceStop&) { return true; }
  bool on(const protocol::Lease&) { return true; }

  bool on(const protocol::RunSetup&) {
    if (module_ == "setup-crash-once" && is_first()) ::raise(SIGKILL);
    say("setup");
    if (module_ == "setup-hangs") return true;
    send(protocol::SetupDone{module_ == "setup-throws" ? "std::runtime_error: no barrels" : ""});
    return true;
  }

  bool on(const protocol::Stop&) {
    if (module_ == "slow-stop") return true;
    say("stopping");
    send(protocol::Drained{});
    return false;
  }

  bool on(const protocol::Request& request) {
    const auto body = json::parse(request.body).as_object();
    if (request.verb == "ls") {
      for (const std::string& entity : entities_)
        send(protocol::Answer{request.id, protocol::AnswerStatus::ok,
                              epic::protocol::print_json(json::object{{"entity", entity}}), false});
      send(protocol::Answer{request.id, protocol::AnswerStatus::ok, "", true});
      return true;
    }
    if (request.verb == "types") {
      send(protocol::Answer{request.id, protocol::AnswerStatus::ok,
                            R"({"types":[{"type":"Fake","counters":{"entities":2,"activated":3}},{"type":"Other"}]})",
                            true});
      return true;
    }
    const std::string entity{std::string_view(body.at("entity").as_string())};
    if (!owned_[epic::kernel::ungrouped(configure_.shard_count).shard_of(entity).value]) {
      send(protocol::Answer{request.id, protocol::AnswerStatus::not_owner, "", true});
      return true;
    }
    return request.verb == "call" ? call(request.id, entity, body) : inspect(request.id, entity);
  }

  bool inspect(std::uint64_t id, const std::string& entity) {
    if (entity.starts_with("Nothing/"))
      send(protocol::Answer{id, protocol::AnswerStatus::not_found,
                            R"({"message":"no such type","detail":{"error":"no_such_type"}})", true});
    else
      send(protocol::Answer{
          id, protocol::AnswerStatus::ok,
          epic::protocol::print_json(json::object{{"entity", entity},
                                                  {"node", "node-" + std::to_string(configure_.node.value)},
                                                  {"incarnation", configure_.incarnation.value}}),
          true});
    return true;
  }

  bool call(std::uint64_t id, const std::string& entity, const json::object& body) {
    const auto& method = body.at("method").as_string();
    entities_.push_back(entity);
    if (method == "crash") crash();
    if (method == "exit") {
      std::fputs("I have had enough\n", stderr);
      exit_code_ = 4;
      return false;
    }
    if (method == "hang") is_hanging_ = true;
    if (method == "turn") {
      is_in_turn_ = true;
      turn_began_at_ = Clock::now();
    }
    if (method == "noise") {
      const std::string noise(64, 'x');
      (void)::send(protocol::kSupervisionFd, noise.data(), noise.size(), 0);
    }
    if (method == "say") {
      std::fputs((std::string(std::string_view(body.at("args").as_array().at(0).as_string())) + "\n").c_str(), stdout);
      std::fflush(stdout);
    }
    send(protocol::Answer{id, protocol::AnswerStatus::ok, epic::protocol::print_json(json::object{{"result", body}}),
                          true});
    return true;
  }

  protocol::Configure configure_;
  std::string module_;
  protocol::FrameBuffer buffer_{protocol::kSupervisionFrameBytesMax};
  codec::FrameReader<protocol::ToNode> reader_;
  codec::FrameWriter<protocol::FromNode> writer_;
  epic::kernel::ShardMap map_;
  std::map<std::uint32_t, bool> owned_;
  std::uint64_t epoch_ = 0;
  std::vector<std::string> entities_;
  Clock::time_point beat_at_;
  bool is_hanging_ = false;
  bool is_in_turn_ = false;
  Clock::time_point turn_began_at_;
  int exit_code_ = 0;
};

}  // namespace

int main() { return FakeNode().run(); }
