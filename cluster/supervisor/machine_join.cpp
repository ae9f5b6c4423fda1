#include "cluster/supervisor/machine_join.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/supervisor/machine_stream.hpp"
#include "cluster/supervisor/supervisor.hpp"
#include "protocol/machine_place.hpp"
#include "transport/tcp_medium.hpp"

namespace epic::cluster {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

SupervisorError unreachable(const std::string& address, const std::string& why) {
  return {fmt::format("Cannot join the fabric at {}: {}.", address, why),
          "A supervisor of the fabric has to listen there ('epic run --listen', which prints the address), and both "
          "machines need the same secret, or certificates of the same authority.",
          {}};
}

/// No packet is sent for that.
std::string address_towards(asio::io_context& context, const asio::ip::tcp::endpoint& peer) {
  asio::ip::udp::socket socket(context);
  error_code error;
  socket.connect({peer.address(), peer.port()}, error);
  const auto local = error ? asio::ip::udp::endpoint() : socket.local_endpoint(error);
  return error ? std::string() : local.address().to_string();
}

/// All places are asked at once, over the addresses that their names have.
class Inquiry {
 public:
  Inquiry(const JoinQuestion& question, const transport::CredentialPlace& credentials)
      : question_(question), files_(credentials), heard_(question.places.size()) {}
  Inquiry(const Inquiry&) = delete;
  Inquiry& operator=(const Inquiry&) = delete;
  ~Inquiry() {
    for (const auto& link : links_) link->close();
  }

  std::expected<JoinTerms, std::vector<SupervisorError>> run() {
    if (const auto checked = files_.get(); !checked)
      return std::unexpected(std::vector{SupervisorError{checked.error(), {}, {}}});
    for (std::size_t i = 0; i < question_.places.size(); ++i) ask(i);
    context_.run_for(question_.timeout);
    if (terms_) return *std::move(terms_);
    std::vector<SupervisorError> errors;
    for (Heard& heard : heard_) errors.push_back(std::move(heard.error));
    return std::unexpected(std::move(errors));
  }

 private:
  using Link = StreamLink<protocol::ToMachine, protocol::FromMachine>;
  using Endpoint = asio::ip::tcp::endpoint;
  struct Heard {
    SupervisorError error;
    bool has_answered = false;  // and then it does not matter what other addresses of the name do
  };

  [[nodiscard]] std::string shown(std::size_t place) const {
    return protocol::format_tcp_address(question_.places[place].host, question_.places[place].port);
  }

  void ask(std::size_t place) {
    const auto& [host, port] = question_.places[place];
    error_code error;
    const auto found = asio::ip::tcp::resolver(context_).resolve(host, std::to_string(port), error);
    if (error || found.empty()) {
      heard_[place].error = {
          fmt::format("'{}' has no address: {}.", host, error.message()),
          "Give the directory of a project on this machine, or HOST:PORT of a machine of the fabric.",
          {}};
      return;
    }
    for (const auto& entry : found) ask_at(place, entry.endpoint());
  }

  void ask_at(std::size_t place, const Endpoint& endpoint) {
    auto stream = medium_.dial(transport::format_tcp_address(endpoint));
    if (!stream) return note(place, stream.error());
    note(place, "it does not answer");  // until something is heard of it
    const auto link = links_.emplace_back(std::make_shared<Link>(
        *std::move(stream), [this](std::move_only_function<void()> task) { asio::post(context_, std::move(task)); }));
    link->start({.on_message =
                     [this, place, endpoint, link = link.get()](const protocol::ToMachine& message) {
                       link->close();
                       on_answer(place, endpoint, message);
                     },
                 .on_closed = [this, place, link = link.get()] { note(place, link->end_reason()); }});
    link->send(protocol::SettingsWanted{});
  }

  void note(std::size_t place, const std::string& why) {
    if (!heard_[place].has_answered) heard_[place].error = unreachable(shown(place), why);
  }

  void on_answer(std::size_t place, const Endpoint& endpoint, const protocol::ToMachine& message) {
    const auto* const settings = std::get_if<protocol::Settings>(&message);
    if (settings == nullptr) return note(place, "it has answered something else");
    if (auto fault = find_fault(shown(place), *settings)) {
      heard_[place] = {.error = *std::move(fault), .has_answered = true};
      return;
    }
    terms_ =
        JoinTerms{.settings = *settings, .address = shown(place), .own_address = address_towards(context_, endpoint)};
    context_.stop();
  }

  [[nodiscard]] std::optional<SupervisorError> find_fault(const std::string& address,
                                                          const protocol::Settings& settings) const {
    if (!protocol::understand_each_other(settings.speaks, protocol::kSpoken))
      return SupervisorError{
          fmt::format("This is epic {}, and the fabric at {} runs epic {}: the two do not understand each other.",
                      question_.version, address, settings.version),
          "Install the same version on all machines.",
          {}};
    if (settings.architecture != kArchitecture)
      return SupervisorError{
          fmt::format("This machine's processor is {}, and the module of the fabric at {} is for {}.", kArchitecture,
                      address, settings.architecture),
          "All machines of a fabric need the same kind of processor.",
          {}};
    std::string other = question_.find_fault ? question_.find_fault(address, settings) : std::string();
    if (other.empty()) return std::nullopt;
    return SupervisorError{std::move(other), {}, {}};
  }

  const JoinQuestion& question_;
  transport::CredentialFiles files_;
  asio::io_context context_{1};
  transport::TcpMedium medium_{context_, [this] { return files_.get(); }};
  std::vector<std::shared_ptr<Link>> links_;  // shared with the operations of their streams
  std::vector<Heard> heard_;                  // by place
  std::optional<JoinTerms> terms_;
};

}  // namespace

std::expected<JoinTerms, std::vector<SupervisorError>> ask_to_join(const JoinQuestion& question,
                                                                   const transport::CredentialPlace& credentials) {
  return Inquiry(question, credentials).run();
}

}  // namespace epic::cluster
