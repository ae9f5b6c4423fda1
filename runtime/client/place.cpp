#include "client/place.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "client/machine_file.hpp"
#include "io/last_words.hpp"
#include "transport/make_transport.hpp"
#include "transport/tcp_medium.hpp"

namespace epic::client {

namespace fs = std::filesystem;

namespace {

class ProjectPlace final : public Place {
 public:
  explicit ProjectPlace(const fs::path& project) : name_(project.string()), epic_(project / ".epic") {}

  const std::string& name() const override { return name_; }

  /// Who can put sockets there would get what is sent to entities.
  std::expected<void, std::string> check() const override {
    auto checked = files::check_directory(epic_);
    if (checked || checked.error().system_error == ENOENT) return {};
    return std::unexpected(fmt::format("{} {}", checked.error().message, checked.error().hint));
  }

  std::vector<std::string> list_addresses() override {
    std::vector<std::string> sockets;
    if (!files::check_directory(epic_)) return sockets;
    machine_ = read_machine_file(epic_ / "run");
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(epic_ / "run", error))
      if (entry.path().extension() == ".sock") sockets.push_back(entry.path().string());
    std::ranges::sort(sockets);
    return sockets;
  }

  std::unique_ptr<transport::Transport> make_transport(boost::asio::io_context& context,
                                                       transport::TransportEvents events) override {
    return transport::make_transport(context, std::move(events), machine_);
  }

  std::string read_last_words(const kernel::PeerAddress& node) const override {
    return io::read_last_words(epic_ / "run", node);
  }

 private:
  std::string name_;
  fs::path epic_;
  protocol::MachinePlace machine_;  // as of the last look
};

class RemotePlace final : public Place {
 public:
  RemotePlace(std::string_view name, std::string secret_file)
      : name_(name), credentials_{.secret_file = std::move(secret_file)} {
    for (std::string_view rest = name.substr(kAddressStart.size()); !rest.empty();) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      addresses_.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  const std::string& name() const override { return name_; }

  std::expected<void, std::string> check() const override {
    if (addresses_.empty())
      return std::unexpected(fmt::format("'{}' names no address: it is epic://host:port.", name_));
    if (credentials_.is_empty())
      return std::unexpected(
          fmt::format("{} asks for the fabric's secret: name its file in ClientOptions::secret_file, or in the "
                      "environment as EPIC_SECRET_FILE.",
                      name_));
    if (const auto usable = transport::CredentialFiles(credentials_).get(); !usable)
      return std::unexpected(usable.error());
    for (const std::string& address : addresses_)
      if (const auto found = resolve(address); !found) return std::unexpected(found.error());
    return {};
  }

  std::vector<std::string> list_addresses() override {
    std::vector<std::string> all;
    for (const std::string& address : addresses_)
      if (const auto found = resolve(address)) all.insert(all.end(), found->begin(), found->end());
    return all;
  }

  std::unique_ptr<transport::Transport> make_transport(boost::asio::io_context& context,
                                                       transport::TransportEvents events) override {
    return transport::make_remote_transport(context, std::move(events), credentials_);
  }

  std::string read_last_words(const kernel::PeerAddress&) const override { return {}; }

 private:
  /// The IP addresses of a host, each with the port. May ask a name server, and wait for it.
  [[nodiscard]] static std::expected<std::vector<std::string>, std::string> resolve(const std::string& address) {
    if (transport::parse_tcp_address(address)) return std::vector{address};
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == address.size())
      return std::unexpected(fmt::format("'{}' is not an address of a node, such as game.example.com:7000.", address));
    boost::asio::io_context context;
    boost::system::error_code error;
    boost::asio::ip::tcp::resolver resolver(context);
    const auto found = resolver.resolve(address.substr(0, colon), address.substr(colon + 1), error);
    if (error)
      return std::unexpected(
          fmt::format("The host '{}' cannot be found: {}.", address.substr(0, colon), error.message()));
    std::vector<std::string> all;
    for (const auto& one : found) all.push_back(transport::format_tcp_address(one.endpoint()));
    return all;
  }

  std::string name_;
  transport::CredentialPlace credentials_;
  std::vector<std::string> addresses_;
};

}  // namespace

std::unique_ptr<Place> make_place(std::string_view where, const std::string& secret_file) {
  if (where.starts_with(kAddressStart)) {
    const char* const named = secret_file.empty() ? std::getenv("EPIC_SECRET_FILE") : nullptr;
    return std::make_unique<RemotePlace>(where, named != nullptr ? named : secret_file);
  }
  std::error_code error;
  const fs::path project = fs::weakly_canonical(where, error);
  return std::make_unique<ProjectPlace>(error ? fs::path(where) : project);
}

}  // namespace epic::client
