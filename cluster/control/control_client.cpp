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

class UnixConnection final : public ControlConnection {
 public:
  UnixConnection(int connected, std::string socket_path) : fd_(connected), path_(std::move(socket_path)) {}
  ~UnixConnection() override { ::close(fd_); }
  UnixConnection(const UnixConnection&) = delete;
  UnixConnection& operator=(const UnixConnection&) = delete;

  [[nodiscard]] static std::expected<std::unique_ptr<ControlConnection>, ControlError> connect(const std::string& path);

  [[nodiscard]] std::expected<std::unique_ptr<ControlConnection>, ControlError> reconnect() const override {
    return connect(path_);
  }
  [[nodiscard]] const std::string& place() const override { return path_; }

  [[nodiscard]] std::expected<void, ControlError> wait_for(short events, Clock::time_point deadline) const {
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      const int timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
      pollfd poll{fd_, events, 0};
      const int ready = ::poll(&poll, 1, timeout);
      if (ready > 0) return {};
      if (ready < 0 && errno != EINTR)
        return std::unexpected(unreachable(fmt::format("Lost the fabric at {}: {}.", path_, std::strerror(errno))));
      if (ready == 0 && left <= 1'000'000)
        return std::unexpected(unreachable(fmt::format("The fabric at {} did not answer in time.", path_)));
    }
  }

  std::expected<void, ControlError> send(const ControlRequest& request, Clock::time_point deadline) override {
    std::vector<std::byte> frame;
    writer_.append(request, frame);
    for (std::size_t sent = 0; sent < frame.size();) {
      const ssize_t count = ::send(fd_, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count >= 0) {
        sent += static_cast<std::size_t>(count);
      } else if (errno == EAGAIN) {
        EPIC_TRY(wait_for(POLLOUT, deadline));
      } else if (errno != EINTR) {
        return std::unexpected(unreachable(fmt::format("Lost the fabric at {}: {}.", path_, std::strerror(errno))));
      }
    }
    return {};
  }

  std::expected<ControlAnswer, ControlError> receive(Clock::time_point deadline) override {
    while (true) {
      const auto payload = buffer_.next();
      if (!payload)
        return std::unexpected(unreachable(
            fmt::format("{} sent an answer that this version cannot read: {}.", path_, payload.error().what)));
      if (payload->has_value()) {
        auto message = reader_.read(**payload);
        if (!message)
          return std::unexpected(unreachable(
              fmt::format("{} sent an answer that this version cannot read: {}.", path_, message.error().what)));
        if (auto* const answer = std::get_if<ControlAnswer>(&*message)) return std::move(*answer);
        continue;
      }
      EPIC_TRY(wait_for(POLLIN, deadline));
      const auto room = buffer_.prepare();
      const ssize_t count = ::recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
      if (count > 0)
        buffer_.commit(static_cast<std::size_t>(count));
      else if (count == 0)
        return std::unexpected(
            unreachable(fmt::format("The fabric at {} closed the connection before it answered.", path_)));
      else if (errno != EAGAIN && errno != EINTR)
        return std::unexpected(unreachable(fmt::format("Lost the fabric at {}: {}.", path_, std::strerror(errno))));
    }
  }

 private:
  int fd_;
  std::string path_;
  protocol::FrameBuffer buffer_{protocol::kControlFrameBytesMax};
  codec::FrameReader<protocol::ControlMessage> reader_;
  codec::FrameWriter<protocol::ControlMessage> writer_;
};

std::expected<std::unique_ptr<ControlConnection>, ControlError> UnixConnection::connect(const std::string& path) {
  const auto no_fabric = [&](std::string_view why) {
    return std::unexpected(
        ControlError{ControlErrorCode::no_fabric, fmt::format("No fabric is running at {}: {}.", path, why)});
  };
  const auto fd = transport::connect_unix_socket(path);
  if (fd) return std::make_unique<UnixConnection>(*fd, path);
  if (fd.error() == std::errc::no_such_file_or_directory) return no_fabric("it has no socket");
  if (fd.error() == std::errc::connection_refused) return no_fabric("nothing listens on its socket");
  return std::unexpected(
      unreachable(fmt::format("Cannot reach the fabric at {}: {}.", path, transport::connect_error_text(fd.error()))));
}

}  // namespace

ControlClient::ControlClient(ControlClient&&) noexcept = default;
ControlClient& ControlClient::operator=(ControlClient&&) noexcept = default;
ControlClient::~ControlClient() = default;

std::expected<ControlClient, ControlError> ControlClient::connect(const std::filesystem::path& socket) {
  return ControlClient(EPIC_TRY(UnixConnection::connect(socket.string())));
}

std::expected<ControlClient, ControlError> ControlClient::reconnect() const {
  return ControlClient(EPIC_TRY(connection_->reconnect()));
}

/// The next answer to request `id`; answers to abandoned requests are ignored.
std::expected<ControlAnswer, ControlError> ControlClient::receive(std::uint64_t id, Clock::time_point deadline) {
  const auto patience = deadline - Clock::now();
  while (true) {
    auto answer = EPIC_TRY(connection_->receive(deadline));
    if (answer.id != id) continue;
    if (answer.status != AnswerStatus::waiting) return answer;
    deadline = Clock::now() + patience;
    if (on_waiting_) on_waiting_(error_from(answer).message);
  }
}

std::expected<boost::json::value, ControlError> ControlClient::request(
    std::string_view verb, boost::json::value body, std::chrono::milliseconds timeout,
    const std::function<void(const boost::json::value&)>& on_part) {
  auto deadline = Clock::now() + timeout;
  const std::uint64_t id = ++last_id_;
  EPIC_TRY(connection_->send({id, std::string(verb), protocol::print_json(body)}, deadline));
  while (true) {
    auto answer = EPIC_TRY(receive(id, deadline));
    if (answer.status != AnswerStatus::ok) return std::unexpected(error_from(answer));
    auto value = protocol::parse_json(answer.body);
    if (!value)
      return std::unexpected(
          unreachable(fmt::format("{} answered '{}' with something that is not JSON.", connection_->place(), verb)));
    if (answer.last) return std::move(*value);
    if (on_part) on_part(*value);
    deadline = Clock::now() + timeout;
  }
}

std::expected<void, ControlError> ControlClient::stream_text(std::string_view verb, boost::json::value body,
                                                             const std::function<bool(std::string_view)>& on_part,
                                                             std::chrono::milliseconds silence_max) {
  const std::uint64_t id = ++last_id_;
  EPIC_TRY(connection_->send({id, std::string(verb), protocol::print_json(body)}, Clock::now() + silence_max));
  const auto is_there = [&] {
    auto other = reconnect();
    return other && other->request(protocol::control::Ping::kVerb.name, boost::json::object(), silence_max);
  };
  while (true) {
    const auto silent_at = Clock::now() + silence_max;
    auto answer = receive(id, silent_at);
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
        unreachable(fmt::format("{} answered '{}' with something that is not JSON.", connection_->place(), verb)));
  return done;
}

}  // namespace epic::cluster
