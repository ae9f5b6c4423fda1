#include "cluster/control/control_server.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <optional>
#include <vector>

#include "codec/message_frames.hpp"
#include "protocol/frame_buffer.hpp"
#include "support/temp_dir.hpp"
#include "transport/unix_socket.hpp"

using namespace epic::cluster;
namespace protocol = epic::protocol;

TEST_CASE("control server: what is sent from within the report of room comes whole, and in order", "[cluster]") {
  const epic::test::TempDir directory;
  boost::asio::io_context context;
  const std::string path = (directory.path() / "control.sock").string();
  std::optional<ControlReply> reply;
  const auto server = ControlServer::listen(context, path, [&](const ControlRequest&, ControlReply asked) {
    reply = std::move(asked);
    reply->part(std::string_view("first"));
  });
  REQUIRE(server.has_value());
  const std::vector<std::string> large{std::string(400'000, 'a'), std::string(400'000, 'b')};
  bool has_had_room = false;
  (*server)->watch_room([&] {
    if (std::exchange(has_had_room, true)) return;
    for (const std::string& part : large) reply->part(std::string_view(part));
    reply->finish();
  });

  const int client = epic::transport::connect_unix_socket(path).value();
  std::vector<std::byte> request;
  epic::codec::FrameWriter<protocol::ControlMessage>().append(ControlRequest{.id = 1, .verb = "logs", .body = "{}"},
                                                              request);
  REQUIRE(::send(client, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()));
  protocol::FrameBuffer buffer(protocol::kControlFrameBytesMax);
  epic::codec::FrameReader<protocol::ControlMessage> reader;
  std::vector<std::string> bodies;
  for (bool has_ended = false; !has_ended;) {
    REQUIRE(context.run_one_for(std::chrono::seconds(30)) > 0);
    const auto room = buffer.prepare();
    if (const ssize_t count = ::recv(client, room.data(), room.size(), MSG_DONTWAIT); count > 0)
      buffer.commit(static_cast<std::size_t>(count));
    for (auto frame = buffer.next(); !has_ended; frame = buffer.next()) {
      REQUIRE(frame.has_value());
      if (!*frame) break;
      const auto message = reader.read(**frame);
      REQUIRE(message.has_value());
      const auto& answer = std::get<protocol::ControlAnswer>(*message);
      bodies.push_back(answer.body);
      has_ended = answer.last;
    }
  }
  ::close(client);
  REQUIRE(bodies.size() == 4);
  CHECK(bodies[0] == "first");
  CHECK(bodies[1] == large[0]);
  CHECK(bodies[2] == large[1]);
}
