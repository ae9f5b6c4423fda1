// Frames that were recorded once must be read by every later version. recorded/ holds a file for each kind of channel:
// the frames of one side, its first one included. A file is never written anew; a version that adds fields adds a file.
//
//     EPIC_RECORD=0.2.0 epic_unit_tests "recorded frames: write"

#include <boost/describe/class.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "codec/message_frames.hpp"
#include "codec/peer_frames.hpp"
#include "support/messages.hpp"

using namespace epic;

namespace {

const std::filesystem::path kFolder = std::filesystem::path(EPIC_SOURCE_DIR) / "tests/unit/protocol/recorded";
constexpr std::size_t kRecordedBytesMax = 4096;

template <class Family>
std::vector<Family> read_frames(const std::string& name) {
  std::ifstream file(kFolder / name, std::ios::binary);
  REQUIRE(file);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  protocol::FrameBuffer buffer(text.size());
  std::memcpy(buffer.prepare(text.size()).data(), text.data(), text.size());
  buffer.commit(text.size());
  codec::FrameReader<Family> reader;
  std::vector<Family> messages;
  while (true) {
    const auto payload = buffer.next();
    REQUIRE(payload.has_value());
    if (!payload->has_value()) break;
    auto message = reader.read(**payload);
    if (!message) FAIL(name << ": frame " << messages.size() << ": " << message.error().what);
    messages.push_back(std::move(*message));
  }
  CHECK(buffer.pending_bytes() == 0);
  return messages;
}

template <class Family>
void write_frames(const std::string& name, const std::vector<Family>& messages) {
  std::vector<std::byte> frames;
  codec::FrameWriter<Family> writer;
  for (const Family& message : messages) writer.append(message, frames);
  std::ofstream file(kFolder / name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(frames.data()), static_cast<std::streamsize>(frames.size()));
}

template <class Family>
std::vector<Family> recordable(std::vector<Family> messages) {
  std::erase_if(messages, [](const Family& message) {
    std::vector<std::byte> frame;
    codec::FrameWriter<Family>().append(message, frame);
    return frame.size() > kRecordedBytesMax;
  });
  return messages;
}

}  // namespace

// Two synthetic neighbours of 0.1.0.
namespace older {
struct CallId {
  std::uint16_t node = 0;
  std::uint64_t life = 0;
  std::uint64_t sequence = 0;
};
BOOST_DESCRIBE_STRUCT(CallId, (), (node, life, sequence))
struct CallMessage {  // without chain and extensions, in another order
  std::vector<std::byte> arguments;
  std::string target;
  CallId id;
  std::uint16_t method = 0;
  std::int64_t patience_ns = 0;
};
BOOST_DESCRIBE_STRUCT(CallMessage, (), (arguments, target, id, method, patience_ns))
using PeerMessage = std::variant<CallMessage>;
}  // namespace older

namespace newer {
struct CallId {
  std::uint32_t node = 0;
  std::uint64_t life = 0;
  std::uint64_t sequence = 0;
  std::string fabric;
};
BOOST_DESCRIBE_STRUCT(CallId, (), (node, life, sequence, fabric))
struct Priority {
  std::int8_t level = 0;
};
BOOST_DESCRIBE_STRUCT(Priority, (), (level))
struct CallMessage {
  CallId id;
  std::string target;
  std::uint32_t method = 0;
  Priority priority;
  std::uint64_t map_version = 0;
  std::int64_t patience_ns = 0;
  std::vector<std::byte> arguments;
};
BOOST_DESCRIBE_STRUCT(CallMessage, (), (id, target, method, priority, map_version, patience_ns, arguments))
struct PauseMessage {};
BOOST_DESCRIBE_STRUCT(PauseMessage, (), ())
using PeerMessage = std::variant<PauseMessage, CallMessage>;
}  // namespace newer

TEST_CASE("recorded frames: write", "[.record]") {
  const char* const version = std::getenv("EPIC_RECORD");
  REQUIRE(version != nullptr);
  write_frames(std::string(version) + ".peers", recordable(test::every_peer_message()));
  write_frames(std::string(version) + ".to_node", recordable(test::every_message_to_node()));
  write_frames(std::string(version) + ".from_node", recordable(test::every_message_from_node()));
  write_frames(std::string(version) + ".control", recordable(test::every_control_message()));
  write_frames<older::PeerMessage>("older.peers",
                                   {older::CallMessage{test::make_bytes(4), "Barrel/3", {1, 17, 81}, 2, 5}});
  write_frames<newer::PeerMessage>(
      "newer.peers", {newer::CallMessage{{1, 17, 81, "arena/7"}, "Barrel/3", 2, {-1}, 4, 5, test::make_bytes(4)}});
}

TEST_CASE("recorded frames: those of 0.1.0 are read as they were meant", "[protocol]") {
  CHECK(read_frames<protocol::PeerMessage>("0.1.0.peers") == recordable(test::every_peer_message()));
  CHECK(read_frames<protocol::ToNode>("0.1.0.to_node") == recordable(test::every_message_to_node()));
  CHECK(read_frames<protocol::FromNode>("0.1.0.from_node") == recordable(test::every_message_from_node()));
  CHECK(read_frames<protocol::ControlMessage>("0.1.0.control") == recordable(test::every_control_message()));
}

TEST_CASE("recorded frames: a version that lacks fields, and one that has more, are read by name", "[protocol]") {
  kernel::CallMessage expected{{kernel::NodeId{1}, 17, 81}, "Barrel/3", 2, kernel::MapVersion{0}, 5, {},
                               test::make_bytes(4),         {}};
  CHECK(read_frames<protocol::PeerMessage>("older.peers") == std::vector<protocol::PeerMessage>{expected});
  expected.map_version = kernel::MapVersion{4};
  CHECK(read_frames<protocol::PeerMessage>("newer.peers") == std::vector<protocol::PeerMessage>{expected});
}
