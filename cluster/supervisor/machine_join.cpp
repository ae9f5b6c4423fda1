#include "cluster/supervisor/machine_join.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "cluster/supervisor/machine_stream.hpp"
#include "cluster/supervisor/supervisor.hpp"
#include "reflect/try.hpp"
#include "transport/tcp_medium.hpp"

namespace epic::cluster {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

SupervisorError unreachable(const std::string& address, const std::string& why) {
  return {fmt::format("Cannot join the fabric at {}: {}.", address, why),
          "A supervisor of the fabric has to listen there ('epic run --listen', which prints the address), and both "
          "machines need the same secret.",
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

std::expected<protocol::Settings, std::string> ask(asio::io_context& context, transport::TcpMedium& medium,
                                                   const std::string& address, std::chrono::milliseconds timeout) {
  auto stream = medium.dial(address);
  if (!stream) return std::unexpected(stream.error());
  std::string why;
  std::optional<protocol::Settings> settings;
  using Link = StreamLink<protocol::ToMachine, protocol::FromMachine>;
  const auto link = std::make_shared<Link>(
      *std::move(stream), [&context](std::move_only_function<void()> task) { asio::post(context, std::move(task)); });
  link->start({.on_message =
                   [&](const protocol::ToMachine& message) {
                     const auto* const answer = std::get_if<protocol::Settings>(&message);
                     if (answer != nullptr) settings = *answer;
                     if (answer == nullptr) why = "it has answered something else";
                     context.stop();
                   },
               .on_closed =
                   [&] {
                     why = link->end_reason();
                     context.stop();
                   }});
  link->send(protocol::SettingsWanted{});
  context.restart();
  context.run_for(timeout);
  link->close();
  if (settings) return *settings;
  return std::unexpected(why.empty() ? "it does not answer" : why);
}

}  // namespace

std::expected<JoinTerms, SupervisorError> ask_to_join(const std::string& host, std::uint16_t port,
                                                      const transport::CredentialPlace& credentials,
                                                      const std::string& version, std::chrono::milliseconds timeout) {
  const std::string shown = fmt::format("{}:{}", host, port);
  transport::CredentialFiles files(credentials);
  if (const auto checked = files.get(); !checked) return std::unexpected(SupervisorError{checked.error(), {}, {}});
  asio::io_context context{1};
  error_code error;
  const auto found = asio::ip::tcp::resolver(context).resolve(host, std::to_string(port), error);
  if (error || found.empty())
    return std::unexpected(SupervisorError{fmt::format("'{}' is neither a directory nor the name of a machine.", host),
                                           "Give the directory of a project on this machine, or HOST:PORT.",
                                           {}});
  transport::TcpMedium medium(context, [&files] { return files.get(); });
  std::string why;
  for (const auto& entry : found) {
    auto settings = ask(context, medium, transport::format_tcp_address(entry.endpoint()), timeout);
    if (!settings) {
      why = settings.error();
      continue;
    }
    if (!protocol::understand_each_other(settings->speaks, protocol::kSpoken))
      return std::unexpected(SupervisorError{
          fmt::format("This is epic {}, and the fabric at {} runs epic {}: the two do not understand each other.",
                      version, shown, settings->version),
          "Install the same version on all machines.",
          {}});
    if (settings->architecture != kArchitecture)
      return std::unexpected(
          SupervisorError{fmt::format("This machine's processor is {}, and the module of the fabric at {} is for {}.",
                                      kArchitecture, shown, settings->architecture),
                          "All machines of a fabric need the same kind of processor.",
                          {}});
    return JoinTerms{.settings = *std::move(settings), .own_address = address_towards(context, entry.endpoint())};
  }
  return std::unexpected(unreachable(shown, why));
}

}  // namespace epic::cluster
