#include "cluster/control/control_client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "codec/described_json.hpp"
#include "codec/message_frames.hpp"
#include "protocol/control_fabric.hpp"
#include "protocol/control_frames.hpp"
#include "protocol/frame_buffer.hpp"
#include "protocol/json.hpp"
#include "reflect/try.hpp"
#include "transport/unix_socket.hpp"

namespace epic::cluster {

namespace {

using Clock = std::chrono::steady_clock;
using protocol::AnswerStatus;
using protocol::ControlAnswer;
using protocol::ControlRequest;

ControlError unreachable(std::string message) { return {ControlErrorCode::unreachable, std::move(message)}; }

ControlErrorCode code_of(AnswerStatus status) {
  switch (status) {
    case AnswerStatus::not_found:
      return ControlErrorCode::not_found;
    case AnswerStatus::bad_request:
      return ControlErrorCode::bad_request;
    default:
      return ControlErrorCode::failed;
  }
}

ControlError error_from(const ControlAnswer& answer) {
  ControlError error{code_of(answer.status), "The fabric refused the request without a reason."};
  if (auto body = codec::read_described_text<protocol::control::FailureBody>(answer.body)) {
    error.message = std::move(body->message);
    error.detail = std::move(body->detail).value_or(protocol::control::FailureDetail());
  }
  return error;
}

}  // namespace

struct ControlClient::Connection {
  Connection(int connected, std::string socket_path) : fd(connected), path(std::move(socket_path)) {}
  ~Connection() { ::close(fd); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] std::expected<void, ControlError> wait_for(short events, Clock::time_point deadline) const {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      const int timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
      pollfd poll{fd, events, 0};
      const int ready = ::poll(&poll, 1, timeout);
      if (ready > 0) return {};
      if (ready < 0 && errno != EINTR)
        return std::unexpected(unreachable(fmt::format("Lost the fabric at {}: {}.", path, std::strerror(errno))));
      if (ready == 0 && left <= 1'000'000)
        return std::unexpected(unreachable(fmt::format("The fabric at {} did not answer in time.", path)));
    }
  }

  std::expected<void, ControlError> send(const ControlRequest& request, Clock::time_point deadline) {
    std::vector<std::byte> frame;
    writer.append(request, frame);
    for (std::size_t sent = 0; sent < frame.size();) {
      const ssize_t count = ::send(fd, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count >= 0) {
        sent += static_cast<std::size_t>(count);
      } else if (errno == EAGAIN) {
        EPIC_TRY(wait_for(POLLOUT, deadline));
      } else if (errno != EINTR) {
        return std::unexpected(unreachable(fmt::format("Lost the fabric at {}: {}.", path, std::strerror(errno))));
      }
    }
    return {};
  }

  /// The next answer to request `id`; answers to abandoned requests are ignored.
  std::expected<ControlAnswer, ControlError> receive(std::uint64_t id, Clock::time_point deadline) {
    const auto patience = deadline - Clock::now();
    while (true) {
      const auto payload = buffer.next();
      if (!payload)
        return std::unexpected(unreachable(
            fmt::format("{} sent an answer that this version cannot read: {}.", path, payload.error().what)));
      if (payload->has_value()) {
        auto message = reader.read(**payload);
        if (!message)
          return std::unexpected(unreachable(
              fmt::format("{} sent an answer that this version cannot read: {}.", path, message.error().what)));
        auto* const answer = std::get_if<ControlAnswer>(&*message);
        if (answer == nullptr || answer->id != id) continue;
        if (answer->status != AnswerStatus::waiting) return std::move(*answer);
        deadline = Clock::now() + patience;
        if (on_waiting) on_waiting(error_from(*answer).message);
        continue;
      }
      EPIC_TRY(wait_for(POLLIN, deadline));
      const auto room = buffer.prepare();
      const ssize_t count = ::recv(fd, room.data(), room.size(), MSG_DONTWAIT);
      if (count > 0)
        buffer.commit(static_cast<std::size_t>(count));
      else if (count == 0)
        return std::unexpected(
            unreachable(fmt::format("The fabric at {} closed the connection before it answered.", path)));
      else if (errno != EAGAIN && errno != EINTR)
        return std::unexpected(unreachable(fmt::format("Lost the fabric at {}: {}.", path, std::strerror(errno))));
    }
  }

  int fd;
  std::string path;
  std::function<void(std::string_view)> on_waiting;
  std::uint64_t last_id = 0;
  protocol::FrameBuffer buffer{protocol::kControlFrameBytesMax};
  codec::FrameReader<protocol::ControlMessage> reader;
  codec::FrameWriter<protocol::ControlMessage> writer;
};

ControlClient::ControlClient(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}
ControlClient::ControlClient(ControlClient&&) noexcept = default;
ControlClient& ControlClient::operator=(ControlClient&&) noexcept = default;
ControlClient::~ControlClient() = default;

void ControlClient::set_on_waiting(std::function<void(std::string_view)> on_waiting) {
  connection_->on_waiting = std::move(on_waiting);
}

std::expected<ControlClient, ControlError> ControlClient::connect(const std::filesystem::path& socket) {
  const std::string path = socket.string();
  const auto no_fabric = [&](std::string_view why) {
    return std::unexpected(
        ControlError{ControlErrorCode::no_fabric, fmt::format("No fabric is running at {}: {}.", path, why)});
  };
  const auto fd = transport::connect_unix_socket(path);
  if (fd) return ControlClient(std::make_unique<Connection>(*fd, path));
  if (fd.error() == std::errc::no_such_file_or_directory) return no_fabric("it has no socket");
  if (fd.error() == std::errc::connection_refused) return no_fabric("nothing listens on its socket");
  return std::unexpected(
      unreachable(fmt::format("Cannot reach the fabric at {}: {}.", path, transport::connect_error_text(fd.error()))));
}

std::expected<boost::json::value, ControlError> ControlClient::request(
    std::string_view verb, boost::json::value body, std::chrono::milliseconds timeout,
    const std::function<void(const boost::json::value&)>& on_part) {
  auto deadline = Clock::now() + timeout;
  const std::uint64_t id = ++connection_->last_id;
  EPIC_TRY(connection_->send({id, std::string(verb), protocol::print_json(body)}, deadline));
  while (true) {
    auto answer = EPIC_TRY(connection_->receive(id, deadline));
    if (answer.status != AnswerStatus::ok) return std::unexpected(error_from(answer));
    auto value = protocol::parse_json(answer.body);
    if (!value)
      return std::unexpected(
          unreachable(fmt::format("{} answered '{}' with something that is not JSON.", connection_->path, verb)));
    if (answer.last) return std::move(*value);
    if (on_part) on_part(*value);
    deadline = Clock::now() + timeout;
  }
}

std::expected<void, ControlError> ControlClient::stream_text(std::string_view verb, boost::json::value body,
                                                             const std::function<bool(std::string_view)>& on_part,
                                                             std::chrono::milliseconds silence_max) {
  const std::uint64_t id = ++connection_->last_id;
  EPIC_TRY(connection_->send({id, std::string(verb), protocol::print_json(body)}, Clock::now() + silence_max));
  const auto is_there = [&] {
    auto other = connect(connection_->path);
    return other && other->request(protocol::control::Ping::kVerb.name, boost::json::object(), silence_max);
  };
  while (true) {
    const auto silent_at = Clock::now() + silence_max;
    auto answer = connection_->receive(id, silent_at);
    if (!answer && Clock::now() >= silent_at && is_there()) continue;  // it has nothing to say
    if (!answer) return std::unexpected(answer.error());
    if (answer->status != AnswerStatus::ok) return std::unexpected(error_from(*answer));
    if (!answer->body.empty() && !on_part(answer->body)) return {};
    if (answer->last) return {};
  }
}

std::expected<void, ControlError> ControlClient::stream(std::string_view verb, boost::json::value body,
                                                        const std::function<bool(const boost::json::value&)>& on_part) {
  bool is_malformed = false;
  auto done = stream_text(verb, std::move(body), [&](std::string_view text) {
    const auto part = protocol::parse_json(text);
    is_malformed = !part;
    return part && on_part(*part);
  });
  if (is_malformed)
    return std::unexpected(
        unreachable(fmt::format("{} answered '{}' with something that is not JSON.", connection_->path, verb)));
  return done;
}

}  // namespace epic::cluster
