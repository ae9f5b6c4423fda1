#include "cluster/supervisor/remote_control.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "cluster/supervisor/machine_stream.hpp"
#include "protocol/machine_place.hpp"
#include "protocol/spoken.hpp"
#include "reflect/try.hpp"
#include "transport/tcp_medium.hpp"

namespace epic::cluster {

namespace asio = boost::asio;
using boost::system::error_code;
using protocol::ControlAnswer;
using protocol::ControlRequest;

namespace {

using RemoteClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kAgain{10};  // for another connection to a supervisor that has answered

ControlError not_reached(std::string message, std::optional<std::string> hint = {}) {
  return {ControlErrorCode::unreachable, std::move(message), {.hint = std::move(hint)}};
}

class RemoteConnection final : public ControlConnection {
 public:
  RemoteConnection(RemotePlace place, std::string version)
      : place_(std::move(place)),
        text_(place_.text()),
        version_(std::move(version)),
        credentials_(place_.credentials) {}
  RemoteConnection(const RemoteConnection&) = delete;
  RemoteConnection& operator=(const RemoteConnection&) = delete;
  ~RemoteConnection() override {
    if (link_) link_->close();
  }

  /// Tries each address of the host.
  [[nodiscard]] std::expected<void, ControlError> open(TimePoint deadline) {
    if (const auto checked = credentials_.get(); !checked)
      return std::unexpected(ControlError{ControlErrorCode::bad_request, checked.error()});
    error_code error;
    const auto found = asio::ip::tcp::resolver(context_).resolve(place_.host, std::to_string(place_.port), error);
    if (error || found.empty())
      return std::unexpected(not_reached(fmt::format("'{}' has no address: {}.", place_.host, error.message())));
    for (const auto& entry : found) {
      EPIC_TRY(greet(entry.endpoint(), deadline));
      if (welcome_) break;
    }
    if (!welcome_) return std::unexpected(explain(end_reason()));
    if (welcome_->refusal.empty()) return {};
    return std::unexpected(ControlError{ControlErrorCode::failed, welcome_->refusal});
  }
  [[nodiscard]] const std::string& manifest() const { return welcome_->manifest; }

  [[nodiscard]] std::expected<void, ControlError> send(const ControlRequest& request, TimePoint deadline) override {
    link_->send(protocol::MachineAsked{request});
    return wait_until([this] { return link_->is_sent(); }, deadline);
  }
  [[nodiscard]] std::expected<ControlAnswer, ControlError> receive(TimePoint deadline) override {
    EPIC_TRY(wait_until([this] { return !answers_.empty(); }, deadline));
    ControlAnswer answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  [[nodiscard]] std::expected<std::unique_ptr<ControlConnection>, ControlError> reconnect() const override {
    auto other = std::make_unique<RemoteConnection>(place_, version_);
    EPIC_TRY(other->open(RemoteClock::now() + kAgain));
    return other;
  }
  [[nodiscard]] const std::string& place() const override { return text_; }

 private:
  using Link = StreamLink<protocol::ToMachine, protocol::FromMachine>;

  std::expected<void, ControlError> greet(const asio::ip::tcp::endpoint& endpoint, TimePoint deadline) {
    is_ended_ = false;
    auto stream = medium_.dial(transport::format_tcp_address(endpoint));
    if (!stream) return std::unexpected(not_reached(fmt::format("Cannot connect to {}: {}.", text_, stream.error())));
    link_ = std::make_shared<Link>(
        *std::move(stream), [this](std::move_only_function<void()> task) { asio::post(context_, std::move(task)); });
    link_->start({.on_message = [this](const protocol::ToMachine& message) { on_message(message); },
                  .on_closed = [this] { is_ended_ = true; }});
    link_->send(protocol::GuestHello{.version = version_, .speaks = protocol::kSpoken});
    run_until([this] { return welcome_.has_value(); }, deadline);
    return {};
  }

  void on_message(const protocol::ToMachine& message) {
    if (const auto* const answered = std::get_if<protocol::MachineAnswered>(&message))
      answers_.push_back(answered->answer);
    if (const auto* const welcome = std::get_if<protocol::GuestWelcome>(&message)) welcome_ = *welcome;
  }

  /// False if that is not so before the deadline or the end of the link.
  bool run_until(const std::function<bool()>& is_so, TimePoint deadline) {
    while (!is_so() && !is_ended_ && RemoteClock::now() < deadline) {
      if (context_.stopped()) context_.restart();
      context_.run_one_until(deadline);
    }
    return is_so();
  }
  std::expected<void, ControlError> wait_until(const std::function<bool()>& is_so, TimePoint deadline) {
    if (run_until(is_so, deadline)) return {};
    if (is_ended_) return std::unexpected(not_reached(fmt::format("Lost the fabric at {}: {}.", text_, end_reason())));
    return std::unexpected(not_reached(fmt::format("The fabric at {} did not answer in time.", text_)));
  }

  [[nodiscard]] std::string end_reason() const { return is_ended_ ? link_->end_reason() : std::string(); }

  /// Why nobody has said welcome.
  [[nodiscard]] ControlError explain(const std::string& why) const {
    if (why.empty()) return not_reached(fmt::format("The fabric at {} did not answer in time.", text_));
    if (why == error_code(asio::error::connection_refused).message())
      return {ControlErrorCode::no_fabric, fmt::format("No fabric is running at {}: nothing listens there.", text_)};
    if (why == kLinkClosed || why == kLinkGarbled)
      return not_reached(
          fmt::format("What listens at {} is not a supervisor that answers: {}.", text_, why),
          "The ports after that of a supervisor are those of its nodes; 'epic run' prints the right one");
    return not_reached(fmt::format("Cannot connect to the fabric at {}: {}.", text_, why));
  }

  RemotePlace place_;
  std::string text_;
  std::string version_;
  transport::CredentialFiles credentials_;
  asio::io_context context_{1};
  transport::TcpMedium medium_{context_, [this] { return credentials_.get(); }};
  std::shared_ptr<Link> link_;  // shared with the operations of its stream
  bool is_ended_ = false;       // by the other side
  std::optional<protocol::GuestWelcome> welcome_;
  std::deque<ControlAnswer> answers_;  // to be received
};

}  // namespace

std::string RemotePlace::text() const { return protocol::format_tcp_address(host, port); }

std::expected<RemoteFabric, ControlError> connect_to_fabric(const RemotePlace& place, const std::string& version,
                                                            std::chrono::milliseconds timeout) {
  auto connection = std::make_unique<RemoteConnection>(place, version);
  EPIC_TRY(connection->open(RemoteClock::now() + timeout));
  std::string manifest = connection->manifest();
  return RemoteFabric{.client = ControlClient(std::move(connection)), .manifest = std::move(manifest)};
}

}  // namespace epic::cluster
